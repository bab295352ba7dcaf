package report

import (
	"strings"

	"stackpolicy/config"
	"stackpolicy/enforce"
	"stackpolicy/finding"
)

// actions writes the actions that were done, or would be.
func (p *printer) actions(actions []enforce.Action, mode string) {
	if len(actions) == 0 {
		return
	}
	if mode == config.Enforce {
		p.heading("actions")
	} else {
		p.heading("what --enforce would do")
	}
	for _, a := range actions {
		p.action(a)
	}
	p.line("")
}

func (p *printer) action(a enforce.Action) {
	what := string(a.Action)
	if a.Subject != finding.Host {
		what += " " + a.Subject
	}
	if a.Status != enforce.Planned {
		what += ": " + a.Status // a refusal also where it is only foreseen
	}
	if a.Message != "" {
		what += ", " + strings.ReplaceAll(a.Message, "\n", "; ")
	}
	p.paragraph(2, "", what)
	p.paragraph(4, "for ", strings.Join(reasons(a.Reasons), "; "))
}

// reasons names the units by invariant: "loaded_is_current of a.service, …".
func reasons(list []enforce.Reason) []string {
	of := map[string][]string{}
	var order []string
	for _, r := range list {
		if of[r.Invariant] == nil {
			order = append(order, r.Invariant)
		}
		of[r.Invariant] = append(of[r.Invariant], r.Subject)
	}
	out := []string{}
	for _, i := range order {
		out = append(out, i+" of "+strings.Join(of[i], ", "))
	}
	return out
}
