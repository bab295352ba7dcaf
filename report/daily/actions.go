package daily

import (
	"slices"
	"strings"
	"time"

	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/text"
)

// what names an action and its unit.
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

// healed joins actions that did the same for the same findings; the newest is
// first.
func healed(actions []history.Action, c clock) Table {
	type key struct{ what, asked string }
	times := map[key]int{}
	var order []key
	last := map[key]string{}
	for _, a := range actions {
		if !worked(a) {
			continue
		}
		k := key{what(a), asked(a.Reasons)}
		if times[k]++; times[k] == 1 {
			order, last[k] = append(order, k), c.at(a.At)
		}
	}
	var rows [][]string
	for _, k := range order {
		rows = append(rows, []string{k.what, k.asked, text.Count(times[k], "time", "times"), last[k]})
	}
	return Table{
		Caption: "Heals whose finding was gone afterwards", Head: []string{"Action", "For", "How often", "Last"},
		None: "Nothing was healed.",
	}.with(rows)
}

// trouble lists the actions without the intended result.
func trouble(actions []history.Action, c clock) Table {
	var rows [][]string
	for _, a := range actions {
		if says := ended(a, c.now); says != "" {
			rows = append(rows, []string{what(a), says, asked(a.Reasons), c.at(a.At)})
		}
	}
	return Table{
		Caption: "Actions that were refused, failed or healed nothing", Head: []string{"Action", "Result", "For", "When"},
		None: "No action was refused or failed.",
	}.with(rows)
}

// ended says what is wrong with how an action ended; "" if nothing is. An action
// may still run as long as its audit may take.
func ended(a history.Action, now time.Time) string {
	says := ""
	switch {
	case worked(a):
		return ""
	case a.Status == history.Begun && now.Sub(a.At) < 15*time.Minute:
		return "still running"
	case a.Status == history.Begun:
		says = "interrupted"
	case a.Status == history.Refused:
		says = "refused"
	case a.Status == history.Failed:
		says = "failed"
	case a.Healed == nil:
		says = "done, but not verified"
	default:
		says = "done, but it healed nothing"
	}
	if a.Message != "" {
		says += ": " + sentence(a.Message)
	}
	return says
}
