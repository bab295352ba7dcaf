package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"stackpolicy/config"
)

// TestFactsFile: facts come from a regular file or from standard input, and nothing else is
// waited for.
func TestFactsFile(t *testing.T) {
	good, err := filepath.Abs("../../testdata/facts/good.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := syscall.Mkfifo(path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"huge": maxFacts + 1, "empty": 0} {
		if err := os.WriteFile(path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path(name), size); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(good, path("link")); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ file, in, want string }{
		"the live system":      {"", "not read", "nothing"},
		"a file":               {good, "", "2026-03-01"},
		"a link to a file":     {path("link"), "", "2026-03-01"},
		"standard input":       {"-", string(text), "2026-03-01"},
		"no standard input":    {"-", "", "standard input: the text ends in the middle"},
		"a FIFO":               {path("fifo"), "", "pipe them to --facts -"},
		"a folder":             {dir, "", "pipe them to --facts -"},
		"a missing file":       {path("none"), "", "no such file"},
		"a file that is huge":  {path("huge"), "", "larger than 128 MiB"},
		"a file that is empty": {path("empty"), "", "the text ends in the middle"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			doc, err := (&factSource{factsFile: c.file}).document(strings.NewReader(c.in))
			got := "nothing"
			switch {
			case err != nil:
				got = err.Error()
			case doc != nil:
				got = doc.CollectedAt.Format("2006-01-02")
			}
			if !strings.Contains(got, c.want) || (err != nil) != strings.Contains(got, " ") && c.want != "nothing" {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestPolicyFolder: the flag goes before the configuration, and both before the built-in
// policies.
func TestPolicyFolder(t *testing.T) {
	for name, c := range map[string]struct{ flag, configured, want string }{
		"built-in":       {"", "", ""},
		"configured":     {"", "/etc/rules", "/etc/rules"},
		"the flag":       {"./rules", "", "./rules"},
		"the flag first": {"./rules", "/etc/rules", "./rules"},
	} {
		if got := (&policySource{c.flag}).dir(config.Config{Policies: c.configured}); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// TestEnforces: recorded facts are never acted on, whatever the configuration says.
func TestEnforces(t *testing.T) {
	yes, no := true, false
	cases := map[string]struct {
		mode, facts string
		asked       *bool
		want        bool
		err         string
	}{
		"observe":                   {config.Observe, "", nil, false, ""},
		"enforce":                   {config.Enforce, "", nil, true, ""},
		"the flag":                  {config.Observe, "", &yes, true, ""},
		"the flag says no":          {config.Enforce, "", &no, false, ""},
		"enforce, recorded":         {config.Enforce, "facts.json", nil, false, ""},
		"the flag, recorded":        {config.Observe, "facts.json", &yes, false, "leave one of them out"},
		"the flag says no, as well": {config.Enforce, "facts.json", &no, false, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := &app{factSource: factSource{factsFile: c.facts}}
			got, err := a.enforces(config.Config{Mode: c.mode}, c.asked)
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %t, %v; want %t, %q", got, err, c.want, c.err)
			}
		})
	}
}

// TestCompletionOfSubjects offers units with their suffix, the host, and none twice.
func TestCompletionOfSubjects(t *testing.T) {
	good, err := filepath.Abs("../../testdata/facts/good.json")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", "")
	cases := map[string]struct {
		given []string
		begun string
		want  string
	}{
		"all":              {nil, "", "host files.service web.service"},
		"some":             {nil, "w", "web.service"},
		"none":             {nil, "x", ""},
		"given ones apart": {[]string{"web.service"}, "", "host files.service"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cmd := &cobra.Command{}
			cmd.SetContext(t.Context())
			names, _ := (&factSource{factsFile: good}).completeUnits(cmd, c.given, c.begun)
			if got := strings.Join(names, " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	names, _ := (&factSource{factsFile: "-"}).completeUnits(&cobra.Command{}, nil, "")
	if len(names) > 0 {
		t.Errorf("from standard input: %q", names)
	}
}
