package compose

import (
	"path/filepath"
	"testing"
)

// What compose drops without a word is named.
func TestLeftOut(t *testing.T) {
	o := project(t, map[string]string{"c.yaml": "services:\n  a:\n    image: i\n    volumes:\n      - vol:/a\n      - vol:/b:U,z\n      - ./f:/f:ro,rslave\n      - ${NO:-vol}:/c:${RW:-rw}\n      - {type: volume, source: vol, target: /d}\n      - /e\nvolumes: {vol: {}}\n"})
	got, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := o.Files[0] + `:6: services.a.volumes: compose does not know the option "U" of "vol:/b:U,z", and it is left out`
	if len(got.LeftOut) != 1 || got.LeftOut[0] != want {
		t.Errorf("got %q, want %q", got.LeftOut, want)
	}
}

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
