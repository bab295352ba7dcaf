package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide/confined"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/history"
)

// TestPolicyLearn learns from a history: the last audit at the time counts, the tests that are
// written pass with the folder, and a second time nothing is written over.
func TestPolicyLearn(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME"} {
		t.Setenv(name, filepath.Join(home, name))
	}
	t.Setenv("XDG_RUNTIME_DIR", home)
	noon := time.Now().Add(-6 * time.Hour).Truncate(time.Second)
	store, err := history.Open(t.Context(), filepath.Join(home, "XDG_STATE_HOME"), noon)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for i, name := range []string{"good", "page", "good"} {
		text, err := os.ReadFile("../../testdata/facts/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		doc, err := facts.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		doc.CollectedAt = noon.Add(time.Duration(i) * time.Hour)
		if _, err := store.Record(t.Context(), history.Audit{At: doc.CollectedAt, Mode: "observe", PolicyDigest: "sha256:00", Document: doc}); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(home, "rules")
	learns := func(at time.Time, args ...string) (string, error) {
		cmd := policyLearnCommand()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		cmd.SetArgs(append([]string{"--at", at.Format(time.RFC3339), "--dir", dir}, args...))
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	if _, err := learns(noon.Add(-time.Hour), "web"); err == nil || !strings.Contains(err.Error(), "no audit was recorded at or before") {
		t.Errorf("before the first audit: %v", err)
	}
	said, err := learns(noon.Add(90*time.Minute), "web")
	if err != nil || !strings.Contains(said, "findings of the rules about web.service") {
		t.Fatalf("got %v\n%s", err, said)
	}
	if said, err = learns(noon.Add(150*time.Minute), "web", "--rule", "web_answers"); err != nil || !strings.Contains(said, "0 findings") {
		t.Fatalf("the later audit: %v\n%s", err, said)
	}
	source, err := cli.Policies(dir, policy.OpenWithTests)
	if err != nil {
		t.Fatal(err)
	}
	if tests, err := confined.Test(t.Context(), source); err != nil || !tests.Passed() {
		t.Errorf("the tests do not pass: %v", err)
	}
	before := contents(t, dir)
	if len(before) != 6 {
		t.Errorf("%d files", len(before))
	}
	if _, err := learns(noon.Add(90*time.Minute), "web"); err == nil || !strings.Contains(err.Error(), "exists already; nothing was written") {
		t.Errorf("a second time: %v", err)
	}
	if _, err := learns(noon.Add(30*time.Minute), "web", "--rule", "web_answers"); err == nil {
		t.Error("a rule of the same name")
	}
	for name, text := range contents(t, dir) {
		if before[name] != text {
			t.Errorf("%s was written over, or is new", name)
		}
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return files
}
