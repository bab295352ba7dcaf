package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/audit"
	"stackpolicy/finding"
)

// hole is one collector that failed, those that could not work without its
// results, and the invariants that all of them leave undecided.
type hole struct {
	collector, reason string
	dependents        []string
	invariants        []string
}

// maxUndecided is how many undecided invariants are named; `explain host` names
// all of them.
const maxUndecided = 8

// gaps writes each cause once, however many collectors and invariants depend on
// it.
func (p *printer) gaps(gaps []audit.Gap, unseen []finding.Finding) {
	list := holes(gaps, unseen)
	if len(list) == 0 {
		return
	}
	p.heading("could not be collected")
	for _, h := range list {
		p.paragraph(2, p.verdict(unknown), h.collector)
		for _, l := range strings.Split(h.reason, "\n") {
			p.paragraph(4, "", l)
		}
		if len(h.dependents) > 0 {
			p.paragraph(4, "not collected either: ", strings.Join(h.dependents, ", "))
		}
		if len(h.invariants) > 0 {
			p.paragraph(4, "not decided: ", undecided(h.invariants))
		}
		if next := check(h.collector); next != "" {
			p.paragraph(4, p.paint("next:", pretty.FgCyan)+" ", "check it yourself: "+next)
		}
	}
	p.line("")
}

// undecided names the invariants, each once, or counts them if they are many.
func undecided(ids []string) string {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) <= maxUndecided {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%d invariants, which `stackpolicy explain host` lists", len(ids))
}

// holes joins gaps with the gaps that they cause, and with the findings that name
// their collector. A finding whose collector reports no gap makes a separate hole.
func holes(gaps []audit.Gap, unseen []finding.Finding) []hole {
	var list []hole
	for _, g := range gaps {
		if causeOf(g, gaps) == g {
			list = append(list, hole{collector: g.Collector, reason: g.Error})
		}
	}
	find := func(collector string) int {
		return slices.IndexFunc(list, func(h hole) bool { return h.collector == collector })
	}
	causes := map[string]string{}
	for _, g := range gaps {
		if cause := causeOf(g, gaps); cause != g {
			i := find(cause.Collector)
			causes[g.Collector] = cause.Collector
			list[i].dependents = append(list[i].dependents, g.Collector)
		}
	}
	for _, d := range unseen {
		collector, _ := d.Evidence["collector"].(string)
		i := find(cmp.Or(causes[collector], collector))
		if i < 0 {
			i, list = len(list), append(list, hole{collector: collector, reason: d.Message})
		}
		list[i].invariants = append(list[i].invariants, d.Invariant)
	}
	return list
}

// causeOf returns the gap that causes g, or g itself: a collector that could not
// work without the results of another one says so, and ends with its reason.
func causeOf(g audit.Gap, gaps []audit.Gap) audit.Gap {
	cause := g
	for _, other := range gaps {
		shorter := len(other.Error) < len(cause.Error)
		if shorter && other.Error != "" && other.Collector != g.Collector && strings.HasSuffix(g.Error, ": "+other.Error) {
			cause = other
		}
	}
	return cause
}

// check returns a command that asks what the collector asks.
func check(collector string) string {
	switch collector {
	case "systemd":
		return "`systemctl --user is-system-running`"
	case "podman":
		return "`podman ps --all`"
	case "home-manager":
		return "`ls -l ~/.local/state/home-manager/gcroots ~/.local/state/nix/profiles`"
	}
	return ""
}
