package decide

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"stackpolicy/finding"
)

// Result is every decision on one document.
type Result struct {
	// Decisions are sorted: host first, then by subject, invariant, message
	// and evidence. The same document and policies give the same bytes.
	Decisions []finding.Finding
	// Managed is how many units were judged. If it is zero, that is not a pass.
	Managed int
}

// Digest returns sha256:… over what was found. What is allowed is not in it: that follows
// from the policies, the document and what was found.
func (r Result) Digest() string {
	sum := sha256.New()
	fmt.Fprintln(sum, r.Managed)
	for _, d := range r.Decisions {
		if !d.IsAllowed() {
			text, _ := json.Marshal(d) // evidence has only JSON values
			fmt.Fprintf(sum, "%s %s\n", text, d.Action)
		}
	}
	return fmt.Sprintf("sha256:%x", sum.Sum(nil))
}

// sorted returns the decisions in their order. They are parted by subject first: a thousand
// units have some thirty each.
func sorted(decisions []finding.Finding) []finding.Finding {
	bySubject := map[string][]int{}
	for i := range decisions {
		bySubject[decisions[i].Subject] = append(bySubject[decisions[i].Subject], i)
	}
	list := make([]finding.Finding, 0, len(decisions))
	for _, subject := range slices.SortedFunc(maps.Keys(bySubject), compareSubjects) {
		first := len(list)
		for _, i := range bySubject[subject] {
			list = append(list, decisions[i])
		}
		slices.SortFunc(list[first:], compareOfSubject)
	}
	return list
}

// compareOfSubject compares decisions about one subject. Evidence is compared last, so it is
// only encoded if everything else is equal.
func compareOfSubject(a, b finding.Finding) int {
	if order := cmp.Or(
		cmp.Compare(a.Invariant, b.Invariant),
		cmp.Compare(a.Message, b.Message),
		cmp.Compare(a.Effect, b.Effect),
		cmp.Compare(a.Severity, b.Severity),
		cmp.Compare(a.Action, b.Action),
	); order != 0 {
		return order
	}
	return bytes.Compare(encode(a.Evidence), encode(b.Evidence))
}

func compareSubjects(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == finding.Host:
		return -1
	case b == finding.Host:
		return 1
	}
	return cmp.Compare(a, b)
}

// encode cannot fail, because evidence comes from Rego values or from this package.
func encode(evidence map[string]any) []byte {
	data, _ := json.Marshal(evidence)
	return data
}
