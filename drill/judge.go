package drill

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/finding"
)

// play drills one row on a stage that is in order.
func (s *stage) play(r row) (out Row, err error) {
	start := time.Now()
	out = Row{
		Name: r.name, Does: r.does, Right: r.isRight(), Expected: append([]string{}, r.finds...),
		Found: []Found{}, Accused: []Found{}, Worse: []string{},
	}
	defer func() { out.TookMS = time.Since(start).Milliseconds() }()
	if err := r.do(s); err != nil {
		return out, fmt.Errorf("drill %q: %w", r.name, err)
	}
	if err := s.judge(r, &out); err != nil {
		return out, fmt.Errorf("drill %q: %w", r.name, err)
	}
	return out, nil
}

// judge lets an enforcing audit find and act, and says what came of it. What such an audit
// finds is what it saw before it acted.
func (s *stage) judge(r row, out *Row) error {
	before, err := s.picture(r)
	if err != nil {
		return err
	}
	now, did, err := s.audit("--enforce")
	if err != nil {
		return err
	}
	after, err := s.picture(r)
	if err != nil {
		return err
	}
	fresh := newIn(now, s.base)
	if r.all {
		fresh = slices.DeleteFunc(now, isOfThisMachine)
	}
	out.sort(r, fresh)
	heals := slices.DeleteFunc(slices.Clone(fresh), func(f finding.Finding) bool { return f.Effect != finding.Heal || f.Waiver != nil })
	if len(heals) == 0 || r.refused {
		out.leftAlone(r, did, before.differences(after))
		return nil
	}
	out.Worse = append(out.Worse, before.filesOnly().differences(after.filesOnly())...)
	return s.checkHeal(r, fresh, heals, did, out)
}

// isOfThisMachine reports whether a finding is about the operator's settings, or the disk, and
// not about the scene.
func isOfThisMachine(f finding.Finding) bool {
	return f.Invariant == "waivers_current" || f.Invariant == "storage_survives_reboot"
}

// sort puts findings that were not there before into those that were to be found, and false
// accusations.
func (out *Row) sort(r row, fresh []finding.Finding) {
	for _, f := range fresh {
		switch {
		case !r.isRight() && slices.Contains(r.subjects(), f.Subject):
			out.Found = append(out.Found, found(f))
		case f.Waiver == nil:
			out.Accused = append(out.Accused, found(f))
		}
	}
	isAbout := func(f Found) bool { return slices.Contains(r.wrongAbout(), f.Subject) }
	switch {
	case r.isRight() && len(out.Accused) > 0:
		out.Verdict = VerdictAccused
	case r.isRight():
		out.Verdict = VerdictRight
	case slices.ContainsFunc(out.Found, isAbout):
		out.Verdict = VerdictFound
	default:
		out.Verdict = VerdictMissed
	}
}

// checkHeal audits again after a heal.
func (s *stage) checkHeal(r row, fresh, heals []finding.Finding, did report, out *Row) error {
	now, _, err := s.audit()
	if err != nil {
		return err
	}
	out.healed(r, heals, now, did)
	for _, f := range newIn(newIn(now, s.base), fresh) {
		out.Worse = append(out.Worse, "then found: "+f.Subject+" "+f.Invariant+": "+f.Message)
	}
	if out.Heal == Healed {
		out.Worse = append(out.Worse, s.notAsDeclared(heals)...)
	}
	if len(out.Worse) > 0 {
		out.Heal = MadeWorse
	}
	return nil
}

// leftAlone: nothing was to be healed.
func (out *Row) leftAlone(r row, did report, changes []string) {
	out.Heal = LeftAlone
	for _, a := range did.Actions {
		if a.Status == "done" {
			changes = append(changes, fmt.Sprintf("the audit did: %s %s", a.Action, a.Subject))
		}
	}
	if len(changes) > 0 {
		out.Heal, out.Worse = MadeWorse, changes
	}
	if r.heals && len(out.Found) > 0 {
		out.Note = "the built-in rules heal it; with these rules it is an alert"
	}
}

// healed says whether what was to be healed is.
func (out *Row) healed(r row, heals, now []finding.Finding, did report) {
	out.Heal = Healed
	for _, f := range heals {
		if slices.ContainsFunc(now, func(n finding.Finding) bool { return n.Identity() == f.Identity() }) {
			out.Heal = NotHealed
			out.Note = strings.TrimSuffix("still found: "+f.Invariant+"; "+whyNot(did), "; ")
		}
	}
	if out.Heal == Healed && !r.heals {
		out.Note = "the built-in rules and settings only alert; with these it is healed"
	}
}

// whyNot is what the actions that were not done say.
func whyNot(did report) string {
	var all []string
	for _, a := range did.Actions {
		all = append(all, strings.TrimSpace(a.Action+" was "+a.Status+": "+a.Message))
	}
	return strings.Join(all, "; ")
}
