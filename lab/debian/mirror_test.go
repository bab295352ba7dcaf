package debian

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMirror(t *testing.T) {
	tests := map[string]struct {
		file, text string
		want       string // "" is an error
	}{
		"one line": {
			"sources.list", "# a comment\ndeb http://mirror.example/debian bookworm main contrib\n",
			"http://mirror.example/debian",
		},
		"options": {
			"sources.list", "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main # ours\n",
			"http://mirror.example/debian/",
		},
		"deb822 after the security archive": {
			"sources.list.d/debian.sources", `Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
`, "http://mirror.example/debian",
		},
		"disabled": {
			"sources.list.d/debian.sources",
			"Types: deb\nEnabled: no\nURIs: http://mirror.example/debian\nSuites: a\nComponents: main\n", "",
		},
		"sources only": {"sources.list", "deb-src http://mirror.example/debian bookworm main\n", ""},
		"another's":    {"sources.list.d/x.list", "deb http://other.example/tool stable main\n", ""},
		"not apt's":    {"sources.list.d/x.list.save", "deb http://mirror.example/debian bookworm main\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			etc := t.TempDir()
			path := filepath.Join(etc, test.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := aptMirror(etc)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestMirrorList(t *testing.T) {
	etc := t.TempDir()
	list := filepath.Join(etc, "mirrors.list")
	for name, text := range map[string]string{
		list:                               "# first choice\nhttp://mirror.example/debian priority:1\nhttp://second.example/debian\n",
		filepath.Join(etc, "sources.list"): "deb mirror+file://" + list + " bookworm main\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := aptMirror(etc); got != "http://mirror.example/debian" {
		t.Errorf("got %q, %v", got, err)
	}
}
