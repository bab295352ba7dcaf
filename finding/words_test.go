package finding_test

import (
	"slices"
	"testing"

	. "stackpolicy/finding"
)

// These words are in reports, in memories and in rules: they never change.
func TestWords(t *testing.T) {
	cases := []struct {
		name string
		got  []string
		want []string
	}{
		{"effects of rules", texts(RuleEffects()), []string{"heal", "block"}},
		{"severities of rules", texts(RuleSeverities()), []string{"page", "ticket", "unknown"}},
		{"classes", texts(Classes()), []string{"provenance", "stack", "unit", "host"}},
		{"outcomes", texts([]Outcome{Planned, Healed, HealFailed, Refused}), []string{"planned", "healed", "heal-failed", "refused"}},
		{"the others", []string{string(Allow), string(Unknown), Host}, []string{"allow", "unknown", "host"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if !slices.Equal(c.got, c.want) {
				t.Errorf("got %q, want %q", c.got, c.want)
			}
		})
	}
}

func texts[T ~string](words []T) []string {
	var list []string
	for _, w := range words {
		list = append(list, string(w))
	}
	return list
}
