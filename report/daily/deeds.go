package daily

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/text"
)

// what names an action with what it was done to.
func what(a history.Action) string {
	if a.Subject == finding.Host {
		return name(string(a.Action))
	}
	return name(string(a.Action)) + " " + name(a.Subject)
}

// asked names the findings that asked for an action, by invariant.
func asked(reasons []history.Reason) string {
	of := map[string][]string{}
	var order []string
	for _, r := range reasons {
		if of[r.Invariant] == nil {
			order = append(order, r.Invariant)
		}
		if !slices.Contains(of[r.Invariant], r.Subject) {
			of[r.Invariant] = append(of[r.Invariant], r.Subject)
		}
	}
	var parts []string
	for _, i := range order {
		parts = append(parts, i+" of "+strings.Join(of[i], ", "))
	}
	return sentence(strings.Join(parts, "; "))
}

func worked(a history.Action) bool { return a.Status == history.Done && a.Healed != nil && *a.Healed }

// healed joins actions that did the same for the same findings; the last done
// comes first.
func (b *builder) healed() Table {
	type key struct{ what, asked string }
	times := map[key]int{}
	var order []key
	last := map[key]string{}
	for _, a := range b.Actions {
		if !worked(a) {
			continue
		}
		k := key{what(a), asked(a.Reasons)}
		if times[k]++; times[k] == 1 {
			order, last[k] = append(order, k), b.at(a.At)
		}
	}
	var rows [][]string
	for _, k := range order {
		rows = append(rows, []string{k.what, k.asked, text.Count(times[k], "time", "times"), last[k]})
	}
	return Table{
		Caption: "Healed, and seen to be gone afterwards", Head: []string{"Action", "For", "How often", "Last"},
		None: "Nothing was healed.",
	}.with(rows)
}

// trouble lists the actions that did not do what they were to.
func (b *builder) trouble() Table {
	var rows [][]string
	for _, a := range b.Actions {
		if says := ended(a, b.now); says != "" {
			rows = append(rows, []string{what(a), says, asked(a.Reasons), b.at(a.At)})
		}
	}
	return Table{
		Caption: "Actions that were refused, failed or healed nothing", Head: []string{"Action", "What became of it", "For", "When"},
		None: "No action was refused or failed.",
	}.with(rows)
}

// ended says what is wrong with how an action ended; "" when nothing is. One
// that was begun within the time that an audit may take may still be running.
func ended(a history.Action, now time.Time) string {
	says := ""
	switch {
	case worked(a):
		return ""
	case a.Status == history.Begun && now.Sub(a.At) < 15*time.Minute:
		return "under way"
	case a.Status == history.Begun:
		says = "cut short"
	case a.Status == history.Refused:
		says = "refused"
	case a.Status == history.Failed:
		says = "failed"
	case a.Healed == nil:
		says = "done, not looked again"
	default:
		says = "done, healed nothing"
	}
	if a.Message != "" {
		says += ": " + sentence(a.Message)
	}
	return says
}

// back lists what came up more than once, most often first.
func (b *builder) back() Table {
	type key struct{ subject, invariant, kind string }
	of := map[key][]history.Standing{}
	var order []key
	for _, s := range b.Standings {
		k := key{s.Subject, s.Invariant, s.Case()}
		if of[k] == nil {
			order = append(order, k)
		}
		of[k] = append(of[k], s)
	}
	slices.SortStableFunc(order, func(x, y key) int { return len(of[y]) - len(of[x]) })
	var rows [][]string
	for _, k := range order {
		if len(of[k]) > 1 {
			rows = append(rows, b.returning(of[k]))
		}
	}
	return Table{
		Caption: "Findings that came up more than once", None: "Nothing came up more than once.",
		Head: []string{"Of", "Invariant", "How often", "Stood, in all", "Last came up", "Now"},
	}.with(rows)
}

// returning sums up the times that one finding stood.
func (b *builder) returning(times []history.Standing) []string {
	stood, last, now := time.Duration(0), times[0].Since, "gone"
	for _, s := range times {
		from, to := b.lasted(s)
		stood += max(to.Sub(later(from, b.Since)), 0)
		last = later(last, s.Since)
		if s.ResolvedAt == nil {
			now = "stands"
		}
	}
	what := name(times[0].Invariant)
	if times[0].Case() != "" {
		what += " (" + name(times[0].Case()) + ")"
	}
	return []string{name(times[0].Subject), what, text.Count(len(times), "time", "times"), text.Elapsed(stood), b.at(last), now}
}

// waivedNow is what stands and does not count, the first to end first.
func (b *builder) waivedNow() []history.Standing {
	standing := slices.DeleteFunc(slices.Clone(b.Standings), func(s history.Standing) bool {
		return s.Waiver == nil || s.ResolvedAt != nil
	})
	slices.SortStableFunc(standing, func(x, y history.Standing) int { return x.Waiver.Until.Compare(y.Waiver.Until) })
	return standing
}

func (b *builder) waived() Table {
	var rows [][]string
	for _, s := range b.waivedNow() {
		until := fmt.Sprintf("%s (%s)", b.at(s.Waiver.Until), b.ago(s.Waiver.Until))
		rows = append(rows, []string{name(s.Subject), name(s.Invariant) + ": " + sentence(s.Message), sentence(s.Waiver.Reason), cmp.Or(name(s.Waiver.Owner), "nobody named"), until})
	}
	return Table{
		Caption: "What stands, and does not count until its waiver ends", Head: []string{"Of", "Finding", "Why", "Owner", "Until"},
		None: "Nothing is waived.",
	}.with(rows)
}
