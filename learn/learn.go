// Package learn makes a Rego test of a recorded audit: a fixture of the document, cut to what
// the rules read and with the names of this host replaced; a test that passes if the rules
// find what they found then, and fails if they missed it; and, if asked, a stub of a rule.
//
// Start at [Learn].
package learn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/decide/regotest"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/lazyregexp"
)

// Options say what to learn.
type Options struct {
	Subject    string // a unit's name, or host; "" is everything
	Rule       string // id of the stub of a rule; "" makes none
	RenameUnit bool   // the unit's name is replaced too
}

// Test runs the tests of policies.
type Test func(context.Context, policy.Source) (regotest.Report, error)

// Lesson is what was learned.
type Lesson struct {
	Files []policy.File     // to write, relative to a policy folder
	Found []finding.Finding // what the rules find in the document about the subject
	Whole bool              // the document could not be cut
	Names []string          // of this host, which are still in the fixture
}

var ruleID = lazyregexp.New(`^[a-z][a-z0-9_]*$`)

// Learn makes a lesson of a document, with the policies and their source with its tests. It
// runs what it made: the tests pass, except that of a subject that the rules miss.
func Learn(ctx context.Context, doc *facts.Document, p *decide.Policies, source policy.Source, o Options, test Test) (Lesson, error) {
	if err := o.check(doc, p); err != nil {
		return Lesson{}, err
	}
	found, err := o.found(ctx, doc, p)
	if err != nil {
		return Lesson{}, err
	}
	source.Files = slices.DeleteFunc(slices.Clone(source.Files), func(f policy.File) bool { return strings.HasSuffix(f.Name, "_test.rego") })
	var why error
	for _, whole := range []bool{false, true} {
		for _, words := range []bool{true, false} {
			l := Lesson{Found: found, Whole: whole}
			if err := l.make(doc, p.Invariants(), o, words); err != nil {
				return Lesson{}, err
			}
			if why = o.try(ctx, source, l, test); why == nil {
				return l, nil
			}
		}
	}
	return Lesson{}, fmt.Errorf("the rules decide otherwise on the fixture: %w", why)
}

func (o Options) check(doc *facts.Document, p *decide.Policies) error {
	isRule := func(i policy.Invariant) bool { return i.ID == o.Rule }
	switch {
	case o.Subject != "" && o.Subject != finding.Host && unitOf(doc, o.Subject) == nil:
		return fmt.Errorf("the audit of %s has no unit %q", doc.CollectedAt.Format(time.RFC3339), o.Subject)
	case o.RenameUnit && unitOf(doc, o.Subject) == nil:
		return errors.New("name the unit whose name is to be replaced")
	case o.Rule == "":
		return nil
	case !ruleID.Get().MatchString(o.Rule):
		return fmt.Errorf("%q is no id of a rule: want small letters, digits and _, such as web_answers", o.Rule)
	case slices.ContainsFunc(p.Invariants(), isRule):
		return fmt.Errorf("there is a rule %s already; name a new one", o.Rule)
	}
	return nil
}

// found returns what the rules find about the subject. What could not be decided is not from
// a rule; where that is all, it is an error, as nobody knows what a rule would have found.
func (o Options) found(ctx context.Context, doc *facts.Document, p *decide.Policies) ([]finding.Finding, error) {
	result, err := p.Decide(ctx, doc)
	if err != nil {
		return nil, fmt.Errorf("decide: %w", err)
	}
	undecided := ""
	found := slices.DeleteFunc(result.Decisions, func(d finding.Finding) bool {
		isRules := d.Case() != finding.CaseGap && d.Case() != finding.CaseError
		if !isRules {
			undecided = d.Message
		}
		return d.IsAllowed() || !isRules || o.Subject != "" && d.Subject != o.Subject
	})
	if len(found) == 0 && undecided != "" && o.Rule == "" {
		return nil, fmt.Errorf("the rules did not miss it: that audit could not decide everything: %s", undecided)
	}
	return found, nil
}

// try runs the tests of a lesson with the rules, and returns nil if they end as they should.
func (o Options) try(ctx context.Context, source policy.Source, l Lesson, test Test) error {
	source.Files = slices.Concat(source.Files, l.Files)
	slices.SortFunc(source.Files, func(a, b policy.File) int { return strings.Compare(a.Name, b.Name) })
	report, err := test(ctx, source)
	if err != nil {
		return err
	}
	want := regotest.StatusPass
	if o.isMissed(l) {
		want = regotest.StatusFail
	}
	for _, r := range report.Results {
		if r.Status != want {
			return fmt.Errorf("%s: %s, want %s: %s", r.Name, r.Status, want, r.Message)
		}
	}
	return nil
}

// isMissed reports whether the lesson's test fails, as no rule finds anything.
func (o Options) isMissed(l Lesson) bool { return len(l.Found) == 0 && o.Rule == "" }

func unitOf(doc *facts.Document, name string) *facts.Unit {
	i := slices.IndexFunc(doc.Units, func(u facts.Unit) bool { return u.Name == name })
	if i < 0 {
		return nil
	}
	return &doc.Units[i]
}
