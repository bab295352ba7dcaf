package compose

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	tests := map[string]struct {
		files   map[string]string
		environ []string
		want    []string // one part of each
	}{
		"none":          {map[string]string{"c.yaml": "services:\n  a: {image: i, restart: \"no\", deploy: {replicas: 2}}", ".env": "A=1"}, []string{"A=1"}, nil},
		"restart: no":   {map[string]string{"c.yaml": "services:\n  a:\n    image: i\n    restart: no"}, nil, []string{"c.yaml:4: services.a.restart"}},
		"scale":         {map[string]string{"c.yaml": "services:\n  a: {image: i, scale: 3}"}, nil, []string{"c.yaml:2: services.a.scale: podman-compose ignores it; write deploy: {replicas: 3}"}},
		"PODMAN_ in it": {map[string]string{"c.yaml": "services: {a: {image: i}}", ".env": "PODMAN_SYSTEMD_UNIT=x"}, nil, []string{".env: PODMAN_SYSTEMD_UNIT: podman-compose 1.3"}},
		"two values":    {map[string]string{"c.yaml": "services: {a: {image: i}}", ".env": "A=1"}, []string{"A=2"}, []string{".env: A is another value"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := project(t, test.files)
			o.Environ = test.environ
			got, err := Load(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Warnings) != len(test.want) {
				t.Fatalf("got %q, want %q", got.Warnings, test.want)
			}
			for i, want := range test.want {
				if !strings.Contains(got.Warnings[i], want) {
					t.Errorf("got %q, want %q in it", got.Warnings[i], want)
				}
			}
		})
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
