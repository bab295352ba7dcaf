package compose

import (
	"path/filepath"
	"testing"
)

func TestDigest(t *testing.T) {
	base := map[string]string{"c.yaml": "services: {a: {image: \"i:$TAG\", env_file: [e, {path: o, required: false}]}}", "e": "A=1", ".env": "TAG=1"}
	tests := map[string]struct {
		file, content string
		same          bool
	}{
		"nothing":                {"unrelated", "x", true},
		"a comment":              {"c.yaml", "# x\n" + base["c.yaml"], true},
		"a variable in use":      {".env", "TAG=2", false},
		"a variable not in use":  {".env", "TAG=1\nB=2", true},
		"an env file":            {"e", "A=2", false},
		"an optional one, empty": {"o", "", false},
		"the compose file":       {"c.yaml", base["c.yaml"][:len(base["c.yaml"])-2] + ", init: true}}", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := project(t, base)
			before, err := Load(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(filepath.Dir(o.Files[0]), test.file), test.content)
			after, err := Load(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if same := before.Digest == after.Digest; same != test.same || len(after.Digest) != 64 {
				t.Errorf("digest %s, then %s; want the same: %t", before.Digest, after.Digest, test.same)
			}
		})
	}
}
