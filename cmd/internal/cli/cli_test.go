package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"stackpolicy/decide/policy"
)

// toy is a program with a command, a hidden command, and a group of commands.
func toy() *cobra.Command {
	root := Root(&cobra.Command{Use: "toy"})
	do := &cobra.Command{Use: "do", Run: func(*cobra.Command, []string) {}}
	do.Flags().Bool("now", false, "at once")
	group := Group(&cobra.Command{Use: "rules"})
	group.AddCommand(&cobra.Command{Use: "list", Run: func(*cobra.Command, []string) {}})
	root.AddCommand(do, group, &cobra.Command{Use: "secret", Hidden: true, Run: func(*cobra.Command, []string) {}})
	return root
}

// TestCommandLines: a mistake is an error that names what is known, and no hidden command.
func TestCommandLines(t *testing.T) {
	cases := map[string]struct{ line, want string }{
		"a command":          {"do", ""},
		"its flag":           {"do --now", ""},
		"in a group":         {"rules list", ""},
		"hidden":             {"secret", ""},
		"unknown":            {"dp", `unknown command "dp" for "toy"; known: completion, do, rules`},
		"misspelt":           {"rlues", `unknown command "rlues" for "toy"; did you mean rules? known: completion, do, rules`},
		"unknown, a flag":    {"dp --now", `unknown command "dp" for "toy"; known: completion, do, rules`},
		"a flag, unknown":    {"--nwo dp", `unknown flag: --nwo for "toy"; known: --help, --version`},
		"unknown, shorthand": {"rules lits -x", `unknown command "lits" for "toy rules"; did you mean list? known: list`},
		"unknown in a group": {"rules lits", `unknown command "lits" for "toy rules"; did you mean list? known: list`},
		"unknown flag":       {"do --nwo", `unknown flag: --nwo for "toy do"; did you mean --now? known: --help, --now`},
		"unknown shorthand":  {"do -x", `unknown shorthand flag: 'x' in -x for "toy do"; known: --help, --now`},
		"help of unknown":    {"help dp", `unknown command "dp" for "toy"; known: completion, do, rules`},
		"help in a group":    {"help rules lits", `unknown command "lits" for "toy rules"; did you mean list? known: list`},
		"help of a leaf":     {"help do much", `unknown command "much" for "toy do"; known: `},
		"a flag's value":     {"do --now=perhaps", `invalid argument "perhaps" for "--now" flag`},
		"nothing":            {"", "no command given"},
		"a group alone":      {"rules", "no command given"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			root := toy()
			var out, errs bytes.Buffer
			root.SetOut(&out)
			root.SetErr(&errs)
			root.SetArgs(strings.Fields(c.line))
			err := root.Execute()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if out.Len() > 0 {
				t.Errorf("standard output is not for help that nobody asked for: %q", out.String())
			}
			if isHelp := strings.Contains(errs.String(), "Usage:"); isHelp != (c.want == "no command given") {
				t.Errorf("standard error: %q", errs.String())
			}
		})
	}
}

// TestSeenEnough: only a closed standard output is no failure.
func TestSeenEnough(t *testing.T) {
	at := func(path string, err error) error {
		return fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: path, Err: err})
	}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"closed":             {at(os.Stdout.Name(), syscall.EPIPE), true},
		"full":               {at(os.Stdout.Name(), syscall.ENOSPC), false},
		"another pipe":       {at("/run/pipe", syscall.EPIPE), false},
		"a socket":           {syscall.EPIPE, false},
		"something else":     {errors.New("broken"), false},
		"nothing went wrong": {nil, false},
	} {
		if got := SeenEnough(c.err); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestPolicies(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "main.rego")
	if err := os.WriteFile(file, []byte("package stackpolicy\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ dir, name, err string }{
		"built-in": {"", "", ""},
		"a folder": {dir, dir, ""},
		"a file":   {file, "", "is not a folder"},
		"missing":  {filepath.Join(dir, "none"), "", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Policies(c.dir, policy.Open)
			if got.Name != c.name || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("got %q, %v; want %q, %q", got.Name, err, c.name, c.err)
			}
			if err != nil {
				return
			}
			if !slices.ContainsFunc(got.Files, func(f policy.File) bool { return f.Name == "main.rego" }) {
				t.Errorf("it has no main.rego")
			}
		})
	}
}

// TestLoadPolicies: the built-in policies load, and a folder that does not exist is never
// replaced by them.
func TestLoadPolicies(t *testing.T) {
	p, err := LoadPolicies(t.Context(), "", nil)
	if err != nil || len(p.Invariants()) == 0 {
		t.Errorf("built-in: %v", err)
	}
	if p, err := LoadPolicies(t.Context(), filepath.Join(t.TempDir(), "none"), nil); err == nil || p != nil {
		t.Errorf("a folder that does not exist: %v, %v", p, err)
	}
}

// TestWithoutATerminal: files, pipes and buffers get 80 columns and no colours.
func TestWithoutATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer pipe.Close()
	for name, w := range map[string]io.Writer{"a file": file, "a pipe": pipe, "a buffer": &bytes.Buffer{}} {
		if Width(w) != 80 || Terminal(w) || Color(w) {
			t.Errorf("%s: %d columns, terminal %t, colours %t", name, Width(w), Terminal(w), Color(w))
		}
	}
}

// TestVersion: what the build set comes first.
func TestVersion(t *testing.T) {
	if v := Version(); v == "" || strings.HasPrefix(v, "v") {
		t.Errorf("not set: %q", v)
	}
	version = "1.2.3"
	t.Cleanup(func() { version = "" })
	if v := Version(); v != "1.2.3" {
		t.Errorf("set: %q", v)
	}
}
