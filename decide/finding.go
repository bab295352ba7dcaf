package decide

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide/policy"
	"stackpolicy/finding"
)

const (
	maxFindings    = 10_000
	maxMessage     = 1_000   // runes
	maxEvidence    = 1 << 14 // bytes of JSON
	maxEvidenceKey = 200     // bytes of a scalar that is kept if the evidence is too large
)

// findings turns the result of a rule into decisions. The error names the first malformed
// finding; the well-formed findings are returned too.
func findings(inv *policy.Invariant, set ast.Set, subjects map[string]bool) ([]finding.Finding, error) {
	var decisions []finding.Finding
	var first error
	for _, term := range set.Slice() {
		if len(decisions) == maxFindings {
			return decisions, fmt.Errorf("more than %d findings", maxFindings)
		}
		decision, err := readFinding(inv, term.Value, subjects)
		switch {
		case err == nil:
			decisions = append(decisions, decision)
		case first == nil:
			first = fmt.Errorf("malformed finding: %w", err)
		}
	}
	return decisions, first
}

func readFinding(inv *policy.Invariant, value ast.Value, subjects map[string]bool) (finding.Finding, error) {
	decision := finding.Finding{Invariant: inv.ID, Severity: inv.Severity, Runbook: inv.Runbook.File}
	object, ok := value.(ast.Object)
	if !ok {
		return decision, fmt.Errorf("%s is not an object; want {subject, effect, message, evidence}", clip(value.String()))
	}
	fields := map[string]ast.Value{}
	object.Foreach(func(k, v *ast.Term) {
		key, _ := k.Value.(ast.String)
		fields[string(key)] = v.Value
	})
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(policy.FindingKeys(), key) {
			return decision, fmt.Errorf("unknown key %q; %s", clip(key), policy.OneOf(policy.FindingKeys()))
		}
	}
	err := errors.Join(
		text(fields, "subject", &decision.Subject, true),
		text(fields, "effect", &decision.Effect, true),
		text(fields, "message", &decision.Message, true),
		text(fields, "severity", &decision.Severity, false),
		text(fields, "action", &decision.Action, false),
		evidence(fields["evidence"], &decision.Evidence),
	)
	if err == nil {
		err = check(inv, decision, subjects)
	}
	decision.Message = clip(decision.Message)
	if decision.Effect != finding.Heal {
		// An operator can turn a heal into an alert by only editing the effect.
		decision.Action = ""
	}
	return decision, err
}

// text reads a string field of a finding.
func text[T ~string](fields map[string]ast.Value, key string, into *T, must bool) error {
	value, given := fields[key]
	if !given && !must {
		return nil
	}
	s, ok := value.(ast.String)
	if !ok || s == "" {
		return fmt.Errorf("%s is missing or not a text", key)
	}
	*into = T(s)
	return nil
}

// check returns an error if a finding is not allowed.
func check(inv *policy.Invariant, d finding.Finding, subjects map[string]bool) error {
	switch {
	case !slices.Contains(finding.RuleEffects(), d.Effect):
		return fmt.Errorf("unknown effect %q; %s", clip(string(d.Effect)), policy.OneOf(finding.RuleEffects()))
	case !slices.Contains(finding.RuleSeverities(), d.Severity):
		return fmt.Errorf("unknown severity %q; %s", clip(string(d.Severity)), policy.OneOf(finding.RuleSeverities()))
	case d.Effect == finding.Heal && d.IsUnknown():
		return fmt.Errorf("a heal of %s has the severity unknown; heal only what is known", clip(d.Subject))
	case d.Effect == finding.Heal && d.Action == "":
		return fmt.Errorf("a heal of %s names no action; METADATA allows: %v", clip(d.Subject), inv.Actions)
	case d.Action != "" && !slices.Contains(finding.Actions(), d.Action):
		return fmt.Errorf("unknown action %q; %s", clip(string(d.Action)), policy.OneOf(finding.Actions()))
	case d.Effect == finding.Heal && !slices.Contains(inv.Actions, d.Action):
		return fmt.Errorf("the action %s is not in METADATA; custom.actions: %v", d.Action, inv.Actions)
	case !subjects[d.Subject]:
		return fmt.Errorf("the subject %q is neither a managed unit nor host, nor failed without a file", clip(d.Subject))
	}
	return nil
}

// evidence reads the evidence of a finding, which may be absent.
func evidence(value ast.Value, into *map[string]any) error {
	*into = map[string]any{}
	if value == nil {
		return nil
	}
	if _, ok := value.(ast.Object); !ok {
		return fmt.Errorf("evidence is not an object")
	}
	plain, err := ast.JSON(value)
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	*into = bounded(plain.(map[string]any))
	return nil
}

// bounded keeps only short scalars of evidence that is too large, and adds a note.
func bounded(evidence map[string]any) map[string]any {
	size := len(encode(evidence))
	if size <= maxEvidence {
		return evidence
	}
	kept := map[string]any{}
	total := 0
	for _, key := range slices.Sorted(maps.Keys(evidence)) {
		value, scalar := policy.ScalarText(evidence[key])
		if cost := len(key) + len(value); scalar && cost <= maxEvidenceKey && total+cost <= maxEvidence/2 {
			kept[key] = evidence[key]
			total += cost
		}
	}
	kept["truncated"] = fmt.Sprintf("%d bytes of evidence are left out", size)
	return kept
}

// clip cuts a text to maxMessage runes.
func clip(s string) string {
	if utf8.RuneCountInString(s) <= maxMessage {
		return s
	}
	return string([]rune(s)[:maxMessage-1]) + "…"
}
