package policy

import (
	"slices"
	"testing"
)

func TestChanges(t *testing.T) {
	files := func(all ...string) (list []File) {
		for i := 0; i < len(all); i += 2 {
			list = append(list, File{Name: all[i], Text: []byte(all[i+1])})
		}
		return list
	}
	before := files("invariants/a/a.rego", "1", "invariants/a/a.md", "1", "invariants/b/b.rego", "1", "lib/lib.rego", "1", "settings.yaml", "1")
	for name, c := range map[string]struct {
		after []File
		want  []string
	}{
		"the same":      {before, nil},
		"a rule":        {files("invariants/a/a.rego", "2", "invariants/a/a.md", "2", "invariants/b/b.rego", "1", "lib/lib.rego", "1", "settings.yaml", "1"), []string{"a"}},
		"a new one":     {append(files("invariants/c/c.rego", "1"), before...), []string{"c"}},
		"one less":      {slices.Concat(before[:2], before[3:]), []string{"b"}},
		"other files":   {append(files("lib/lib.rego", "2", "settings.yaml", "2"), before[:3]...), []string{"lib/lib.rego", "settings.yaml"}},
		"nothing is in": {nil, []string{"a", "b", "lib/lib.rego", "settings.yaml"}},
	} {
		if got := Changes(before, c.after); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q; want %q", name, got, c.want)
		}
	}
}
