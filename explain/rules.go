package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Load loads policies from their files.
type Load func(context.Context, policy.Source) (*decide.Policies, error)

// maxCopies bounds how many rules are evaluated alone.
const maxCopies = 100

// findRules finds out which rule gave each finding. It adds a copy of the invariant for each
// of its finding rules, with only that rule, and evaluates the copies. If they cannot be
// loaded, or give no such finding, it is not known which rule it was.
func findRules(ctx context.Context, list []Explanation, p *decide.Policies, doc *facts.Document, load Load) {
	source := p.Source()
	source.Files = slices.Clone(source.Files)
	var copies []string
	for _, e := range list {
		if e.asks() && !slices.Contains(copies, copyOf(e.Invariant, 0)) && len(copies)+len(e.Invariant.Rules) <= maxCopies {
			for i := range e.Invariant.Rules {
				copies = append(copies, copyOf(e.Invariant, i))
				source.Files = append(source.Files, alone(p.Source().Files, e.Invariant, i)...)
			}
		}
	}
	if len(copies) == 0 {
		return
	}
	slices.SortFunc(source.Files, func(a, b policy.File) int { return strings.Compare(a.Name, b.Name) })
	changed, err := load(ctx, source)
	if err != nil {
		return
	}
	answers := map[string]decide.Answer{}
	var one sync.Mutex
	changed.Evaluate(ctx, doc, copies, func(id string, a decide.Answer) {
		one.Lock()
		defer one.Unlock()
		answers[id] = a
	})
	for i := range list {
		list[i].choose(answers)
	}
}

// asks reports whether several rules could have given the finding.
func (e *Explanation) asks() bool {
	return e.AllRules && !e.Decision.IsAllowed() && e.Decision.Case() != finding.CaseGap && e.Decision.Case() != finding.CaseError
}

// choose keeps the rules that give the finding alone.
func (e *Explanation) choose(answers map[string]decide.Answer) {
	if !e.asks() {
		return
	}
	var gave []policy.Rule
	for i, rule := range e.Invariant.Rules {
		if slices.ContainsFunc(answers[copyOf(e.Invariant, i)].Findings, e.isSame) {
			gave = append(gave, rule)
		}
	}
	if len(gave) > 0 {
		e.Rules, e.AllRules = gave, false
	}
}

// isSame reports whether a rule's finding is the one that is explained. The settings can
// change its effect and its severity.
func (e *Explanation) isSame(f finding.Finding) bool {
	d := e.Decision
	return f.Subject == d.Subject && f.Message == d.Message && bytes.Equal(encode(f.Evidence), encode(d.Evidence))
}

// encode cannot fail: evidence has only JSON values.
func encode(evidence map[string]any) []byte {
	text, _ := json.Marshal(evidence)
	return text
}

// copyOf names the copy of an invariant that has only one of its finding rules.
func copyOf(inv policy.Invariant, rule int) string { return fmt.Sprintf("%s_rule_%d", inv.ID, rule) }

// runbook stands for the invariant's own, whose placeholders can belong to another rule.
const runbook = "# copy\n\n## What it means\n-\n\n## What it puts at risk\n-\n\n## How to look\n- -\n\n## How to mend\n### any\n1. -\n"

// alone returns the files of such a copy.
func alone(files []policy.File, inv policy.Invariant, rule int) (copied []policy.File) {
	from, id := path.Dir(inv.File), copyOf(inv, rule)
	for _, f := range files {
		name := path.Join(path.Dir(from), id, path.Base(f.Name))
		switch {
		case f.Name == inv.File:
			name = path.Join(path.Dir(name), id+".rego")
			copied = append(copied, policy.File{Name: name, Text: only(f.Text, inv, rule)})
		case path.Dir(f.Name) == from:
			copied = append(copied, policy.File{Name: name, Text: []byte(runbook)})
		}
	}
	return copied
}

// only returns an invariant's source in the package of the copy. The other finding rules have
// another name, so that what they use is still used.
func only(source []byte, inv policy.Invariant, keep int) []byte {
	for i, rule := range inv.Rules {
		if i != keep {
			renamed := strings.Replace(rule.Text, "finding", "other_rule", 1)
			source = bytes.Replace(source, []byte(rule.Text), []byte(renamed), 1)
		}
	}
	name := "package stackpolicy.invariants." + inv.ID
	return bytes.Replace(source, []byte(name+"\n"), []byte("package stackpolicy.invariants."+copyOf(inv, keep)+"\n"), 1)
}
