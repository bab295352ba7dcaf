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

	"stackpolicy/lab/bench/contest"
	"stackpolicy/policies"
)

// conftest is not in go.mod, because it has other dependencies.
const conftest = "github.com/open-policy-agent/conftest@v0.71.1"

// tools are the paths of the programs that are compared.
type tools struct {
	stackpolicy, opa, conftest string
}

// buildTools builds stackpolicy as its users would, and the programs that it is compared
// with.
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

// The contestants. Stackpolicy and conftest exit with more than 0 because they have findings,
// which is no error here.

func (t tools) eval(document string) contest.Contestant {
	return contest.Contestant{Argv: []string{t.stackpolicy, "eval", "-o", "json", "--facts", document}, Ends: []int{0, 1, 2}}
}

func (t tools) audit() contest.Contestant {
	return contest.Contestant{Argv: []string{t.stackpolicy, "eval", "-o", "json"}, Ends: []int{0, 1, 2}}
}

func (t tools) conftestTest(r rules, document string) contest.Contestant {
	return contest.Contestant{Argv: []string{
		t.conftest, "test", "--policy", r.dir, "--policy", r.wrapper, "--data", r.settings,
		"--namespace", "stackpolicy.conftest", "--output", "json", document,
	}, Ends: []int{0, 1}}
}

func (t tools) opaEval(r rules, document string) contest.Contestant {
	return contest.Contestant{Argv: []string{t.opa, "eval", "-d", r.dir, "-i", document, "data.stackpolicy.findings"}, Ends: []int{0}}
}

func show(units []string) contest.Contestant {
	return contest.Contestant{Argv: append([]string{"systemctl", "--user", "show"}, units...), Ends: []int{0}}
}

// auditWith is an audit with another state folder.
func (t tools) auditWith(stateHome string) contest.Contestant {
	c := t.audit()
	c.Argv = append([]string{"env", "XDG_STATE_HOME=" + stateHome}, c.Argv...)
	return c
}

// wrapper makes every finding a conftest failure. It contains the whole finding, so that two
// findings that differ only in their evidence are two failures.
const wrapper = `package stackpolicy.conftest

deny contains {"msg": sprintf("%s: %s", [id, finding.message]), "invariant": id, "finding": finding} if {
	some id, findings in data.stackpolicy.findings
	some finding in findings
}
`

// rules are the built-in policies as files for other tools.
type rules struct {
	dir      string // our policies, without tests and runbooks
	wrapper  string // a folder with the wrapper
	settings string // the operator's settings
}

// writeRules writes the built-in policies and the wrapper to folders below dir.
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

// isRule reports whether a decision depends on the file.
func isRule(name string) bool {
	return name == "settings.yaml" || strings.HasSuffix(name, ".rego") && !strings.HasSuffix(name, "_test.rego")
}

// writeFile writes a file that every account can read.
func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
