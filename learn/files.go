package learn

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"stackpolicy/decide/lint"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// make makes the lesson's files; words says how names are replaced.
func (l *Lesson) make(doc *facts.Document, invariants []policy.Invariant, o Options, words bool) error {
	all, err := plain(doc)
	if err != nil {
		return fmt.Errorf("encode the document: %w", err)
	}
	if !l.Whole {
		all = cut(all, o, invariants, l.Found)
	}
	names := rename(doc, o, words)
	text, err := json.MarshalIndent(names.value(all), "", "\t")
	if err != nil {
		return fmt.Errorf("encode the fixture: %w", err)
	}
	l.Names = left(doc, string(text))
	name := nameOf(names.text(o.Subject), doc)
	at := doc.CollectedAt.UTC().Format("2006-01-02 15:04:05 UTC")
	sources := map[string]string{
		"learned/" + name + "_fixture_test.rego": fmt.Sprintf("# What an audit saw at %s, cut to what the rules read. Names of the host are replaced.\npackage stackpolicy.learned.%s_fixture\n\ndocument := %s\n", at, name, text),
	}
	if len(l.Found) > 0 || o.Rule == "" {
		sources["learned/"+name+"_test.rego"] = l.test(name, o, names)
	}
	if o.Rule != "" {
		rule, err := o.stub(doc, names)
		if err != nil {
			return err
		}
		dir := "invariants/" + o.Rule + "/" + o.Rule
		sources[dir+".rego"], sources[dir+"_test.rego"], sources[dir+".md"] = rule, o.stubTest(name, names), o.runbook()
	}
	source := policy.Source{}
	for _, file := range slices.Sorted(maps.Keys(sources)) {
		source.Files = append(source.Files, policy.File{Name: file, Text: []byte(sources[file])})
	}
	formatted, err := lint.Formatted(source)
	if err != nil {
		return fmt.Errorf("format the lesson: %w", err)
	}
	l.Files = slices.DeleteFunc(source.Files, func(f policy.File) bool {
		return slices.ContainsFunc(formatted, func(g policy.File) bool { return f.Name == g.Name })
	})
	l.Files = append(l.Files, formatted...)
	return nil
}

var noLetter = regexp.MustCompile(`[^a-z0-9]+`)

// nameOf names a fixture: the subject and the time.
func nameOf(subject string, doc *facts.Document) string {
	stem := subject
	if i := strings.LastIndex(subject, "."); i > 0 {
		stem = subject[:i]
	}
	if subject == "" {
		stem = "all"
	}
	return "at_" + doc.CollectedAt.UTC().Format("20060102_150405") + "_" + strings.Trim(noLetter.ReplaceAllString(strings.ToLower(stem), "_"), "_")
}

// test is the test of what the rules found, or missed.
func (l *Lesson) test(name string, o Options, names renaming) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package stackpolicy.learned.%s_test\n\nimport data.stackpolicy.learned.%s_fixture as recorded\n", name, name)
	if o.isMissed(*l) {
		about := ""
		if o.Subject != "" {
			about = fmt.Sprintf("\tfound.subject == %s\n", quote(names.text(o.Subject)))
		}
		fmt.Fprintf(&b, `
# The rules found nothing. This test fails until one does.
test_found if {
	some id
	findings := data.stackpolicy.invariants[id].finding with input as recorded.document
	some found in findings
%s}
`, about)
		return b.String()
	}
	byInvariant := map[string][]string{}
	for _, f := range l.Found {
		row := fmt.Sprintf("[%s, %s]", quote(names.text(f.Subject)), quote(f.Case()))
		byInvariant[f.Invariant] = append(byInvariant[f.Invariant], row)
	}
	for _, id := range slices.Sorted(maps.Keys(byInvariant)) {
		rows := slices.Compact(slices.Sorted(slices.Values(byInvariant[id])))
		fmt.Fprintf(&b, `
test_%s if {
	findings := data.stackpolicy.invariants.%s.finding with input as recorded.document
	found := {[f.subject, object.get(f.evidence, "case", "")] | some f in findings}
	{%s} - found == set()
}
`, id, id, strings.Join(rows, ", "))
	}
	return b.String()
}

// quote returns a text as Rego writes it, which is as JSON does.
func quote(s string) string {
	text, _ := json.Marshal(s) // a text cannot fail
	return string(text)
}

// stub is a rule that finds the recorded state of that one audit, for a person to make right.
func (o Options) stub(doc *facts.Document, names renaming) (string, error) {
	class, needs, subject, message := "host", "", quote(finding.Host), `"the host is as it was in the recorded audit"`
	conditions := []string{"input.collected_at == " + quote(doc.CollectedAt.Format(time.RFC3339Nano))}
	if u := unitOf(doc, o.Subject); u != nil {
		if u.Loaded == nil {
			return "", fmt.Errorf("the audit does not have what the manager loaded of %s; leave out --rule", o.Subject)
		}
		class, needs, subject, message = "unit", "units.loaded", "unit.name", `sprintf("%s is as it was in the recorded audit", [unit.name])`
		conditions = append(conditions, "some unit in input.units", `unit.managed_by != ""`, "unit.name == "+quote(names.text(u.Name)),
			"unit.loaded.active_state == "+quote(u.Loaded.ActiveState), "unit.loaded.sub_state == "+quote(u.Loaded.SubState))
	}
	return fmt.Sprintf(`# METADATA
# title: say the good state in one line
# description: |
#   Say why it matters. This is a stub: it finds the state of one recorded audit.
# schemas:
#   - input: schema.facts
# custom:
#   class: %s
#   severity: ticket
#   needs: [%s]
#   actions: []
#   runbook: %s.md
package stackpolicy.invariants.%s

finding contains {
	"subject": %s,
	"effect": "block",
	"severity": "ticket",
	"message": %s,
	"evidence": {"case": "learned"},
} if {
	# So far only the recorded audit. Say here what was wrong, whenever it is, and nothing else.
	%s
}
`, class, needs, o.Rule, o.Rule, subject, message, strings.Join(conditions, "\n\t")), nil
}

// stubTest passes if the rule finds the subject, and nothing without it.
func (o Options) stubTest(name string, names renaming) string {
	subject := names.text(o.Subject)
	without := `object.union(recorded.document, {"units": []})`
	if o.isOfHost() {
		subject, without = finding.Host, `object.union(recorded.document, {"collected_at": "2000-01-01T00:00:00Z"})`
	}
	return fmt.Sprintf(`package stackpolicy.invariants.%s_test

import data.stackpolicy.invariants.%s as rule
import data.stackpolicy.learned.%s_fixture as recorded

test_found if {
	findings := rule.finding with input as recorded.document
	{f.subject | some f in findings} == {%s}
}

test_without if {
	findings := rule.finding with input as %s
	findings == set()
}
`, o.Rule, o.Rule, name, quote(subject), without)
}

func (o Options) runbook() string {
	return fmt.Sprintf("# %s\n\n## What it means\nSay what the finding means.\n\n## What it puts at risk\nSay what can go wrong.\n\n"+
		"## How to look\n- `stackpolicy explain {unit}`\n\n## How to mend\n### any\n1. Say what to do: `stackpolicy explain {unit}`\n", o.Rule)
}
