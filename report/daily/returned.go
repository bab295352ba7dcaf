package daily

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"stackpolicy/history"
	"stackpolicy/internal/text"
	"stackpolicy/internal/times"
	"stackpolicy/report/timeline"
)

// returned lists the findings that appeared again after they were resolved, most often first. Two
// that are open at the same time are two.
func returned(r timeline.Record, c clock) Table {
	type key struct{ subject, invariant, kind, object string }
	of := map[key][]history.Occurrence{}
	var order []key
	for _, s := range r.Occurrences {
		k := key{s.Subject, s.Invariant, s.Case(), s.Object()}
		if of[k] == nil {
			order = append(order, k)
		}
		of[k] = append(of[k], s)
	}
	slices.SortStableFunc(order, func(x, y key) int { return len(of[y]) - len(of[x]) })
	var rows [][]string
	for _, k := range order {
		if cameBack(of[k]) {
			rows = append(rows, recurrence(of[k], r, c))
		}
	}
	return Table{
		Caption: "Findings that appeared more than once", None: "No finding appeared more than once.",
		Head: []string{"Unit", "Invariant", "How often", "Open in total", "Last appeared", "Now"},
	}.with(rows)
}

// cameBack reports whether one appeared after another had ended.
func cameBack(list []history.Occurrence) bool {
	return slices.ContainsFunc(list, func(a history.Occurrence) bool {
		return a.ResolvedAt != nil && slices.ContainsFunc(list, func(b history.Occurrence) bool {
			return b.Since.After(a.Since) && !b.Since.Before(*a.ResolvedAt)
		})
	})
}

// recurrence sums up the times that one finding was open.
func recurrence(list []history.Occurrence, r timeline.Record, c clock) []string {
	open, last, now := time.Duration(0), list[0].Since, "resolved"
	for _, s := range list {
		from, to := r.Lasted(s)
		open += max(to.Sub(times.Later(from, r.Since)), 0)
		last = times.Later(last, s.Since)
		if s.ResolvedAt == nil {
			now = "open"
		}
	}
	what := name(list[0].Invariant)
	if list[0].Case() != "" {
		what += " (" + name(list[0].Case()) + ")"
	}
	return []string{name(list[0].Subject), what, text.Count(len(list), "time", "times"), text.Elapsed(open), c.at(last), now}
}

// openWaived lists the findings that are open and waived; the first to end is
// first.
func openWaived(list []history.Occurrence) []history.Occurrence {
	open := slices.DeleteFunc(slices.Clone(list), func(s history.Occurrence) bool {
		return s.Waiver == nil || s.ResolvedAt != nil
	})
	slices.SortStableFunc(open, func(x, y history.Occurrence) int { return x.Waiver.Until.Compare(y.Waiver.Until) })
	return open
}

func waived(list []history.Occurrence, c clock) Table {
	var rows [][]string
	for _, s := range openWaived(list) {
		until := fmt.Sprintf("%s (%s)", c.at(s.Waiver.Until), c.ago(s.Waiver.Until))
		rows = append(rows, []string{name(s.Subject), name(s.Invariant) + ": " + sentence(s.Message), sentence(s.Waiver.Reason), cmp.Or(name(s.Waiver.Owner), "nobody named"), until})
	}
	return Table{
		Caption: "Open findings that do not count until their waiver ends", Head: []string{"Unit", "Finding", "Reason", "Owner", "Until"},
		None: "No finding is waived.",
	}.with(rows)
}
