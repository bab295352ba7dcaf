package report

import (
	"slices"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/audit"
	"stackpolicy/finding"
)

// hole is one collector that failed, and the invariants that it leaves
// undecided.
type hole struct {
	collector, reason string
	invariants        []string
}

// gaps writes each reason once, however many invariants it leaves undecided.
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
		if len(h.invariants) > 0 {
			p.paragraph(4, "not decided: ", strings.Join(h.invariants, ", "))
		}
		if next := check(h.collector); next != "" {
			p.paragraph(4, p.paint("next:", pretty.FgCyan)+" ", "check it yourself: "+next)
		}
	}
	p.line("")
}

// holes joins gaps with the findings that name their collector. A finding whose
// collector reports no gap makes a separate hole.
func holes(gaps []audit.Gap, unseen []finding.Finding) []hole {
	var list []hole
	for _, g := range gaps {
		list = append(list, hole{collector: g.Collector, reason: shorten(g, gaps)})
	}
	for _, d := range unseen {
		collector, _ := d.Evidence["collector"].(string)
		i := slices.IndexFunc(list, func(h hole) bool { return h.collector == collector })
		if i < 0 {
			i, list = len(list), append(list, hole{collector: collector, reason: d.Message})
		}
		list[i].invariants = append(list[i].invariants, d.Invariant)
	}
	return list
}

// shorten leaves out the reason of another collector that is listed itself.
func shorten(g audit.Gap, gaps []audit.Gap) string {
	for _, other := range gaps {
		if other.Collector != g.Collector && other.Error != "" {
			if before, ok := strings.CutSuffix(g.Error, ": "+other.Error); ok {
				return before
			}
		}
	}
	return g.Error
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
