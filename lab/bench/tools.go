package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"stackpolicy/policies"
)

// conftest has its own module graph, so its version is here.
const conftest = "github.com/open-policy-agent/conftest@v0.71.1"

// tools are the programs of a run.
type tools struct {
	stackpolicy, opa, conftest string
}

// buildTools builds the program as its users would, and what it is held
// against.
func buildTools(ctx context.Context, dir string, say func(string, ...any)) (tools, error) {
	t := tools{
		stackpolicy: filepath.Join(dir, "stackpolicy"),
		opa:         filepath.Join(dir, "opa"),
		conftest:    filepath.Join(dir, "conftest"),
	}
	say("build stackpolicy, opa and conftest (minutes, the first time)")
	return t, errors.Join(
		gotool(ctx, "", "build", "-o", t.stackpolicy, "stackpolicy/cmd/stackpolicy"),
		gotool(ctx, "", "build", "-o", t.opa, "github.com/open-policy-agent/opa"),
		gotool(ctx, "GOBIN="+dir, "install", conftest))
}

func gotool(ctx context.Context, env string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	if env != "" {
		cmd.Env = append(os.Environ(), env)
	}
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(text.String()))
	}
	return nil
}

// wrapper turns every finding into what conftest looks for. Whole findings go
// along: two that differ in their evidence alone are still two.
const wrapper = `package stackpolicy.conftest

deny contains {"msg": sprintf("%s: %s", [id, finding.message]), "invariant": id, "finding": finding} if {
	some id, findings in data.stackpolicy.findings
	some finding in findings
}
`

// rules are the built-in policies as other tools read them.
type rules struct {
	dir      string // our policies, without tests and runbooks
	wrapper  string // a folder with the wrapper
	settings string // the operator's settings
}

// writeRules copies the built-in policies, and puts the wrapper beside them.
func writeRules(dir string) (rules, error) {
	r := rules{dir: filepath.Join(dir, "policies"), wrapper: filepath.Join(dir, "wrapper")}
	r.settings = filepath.Join(r.dir, "settings.yaml")
	err := fs.WalkDir(policies.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !isRule(name) {
			return err
		}
		text, err := policies.FS.ReadFile(name)
		if err != nil {
			return err
		}
		return writeFile(filepath.Join(r.dir, name), text)
	})
	if err == nil {
		err = writeFile(filepath.Join(r.wrapper, "conftest.rego"), []byte(wrapper))
	}
	if err != nil {
		return rules{}, fmt.Errorf("copy the policies: %w", err)
	}
	return r, nil
}

// isRule: what a decision depends on, but for the prose of runbooks.
func isRule(name string) bool {
	return name == "settings.yaml" || strings.HasSuffix(name, ".rego") && !strings.HasSuffix(name, "_test.rego")
}

// writeFile writes what every account may read.
func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
