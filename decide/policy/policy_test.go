package policy

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/decide/internal/fixture"
)

// read reads a folder, which must have no mistakes.
func read(t *testing.T, fsys fs.FS) *Folder {
	t.Helper()
	folder := Read(fsys, "")
	if err := folder.Refusal.Err(); err != nil {
		t.Fatalf("read:\n%v", err)
	}
	return folder
}

func TestAFolderThatIsNotThere(t *testing.T) {
	err := Read(os.DirFS(filepath.Join(t.TempDir(), "none")), "p").Refusal.Err()
	if want := "p: cannot be read: stat .: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
}

func TestRefusalIsBounded(t *testing.T) {
	over := map[string]string{}
	for i := range maxProblems + 3 {
		over[fmt.Sprintf("data%02d.json", i)] = "{}"
	}
	err := Read(fixture.Folder(over), "").Refusal.Err()
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != maxProblems+1 || lines[maxProblems] != "and 3 more" {
		t.Errorf("got %d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func TestTooManyFiles(t *testing.T) {
	over := map[string]string{}
	for i := range maxFiles {
		over[fmt.Sprintf("notes/%d.txt", i)] = "x"
	}
	err := Read(fixture.Folder(over), "p").Refusal.Err()
	if want := "p: holds more than 1000 files; is it a policy folder?"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v; want %s", err, want)
	}
}

func TestFolderIsNotFollowedOutside(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, fixture.Folder(nil)); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "secret.rego")
	if err := os.WriteFile(outside, []byte("package stackpolicy.lib\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "lib", "secret.rego")); err != nil {
		t.Fatal(err)
	}
	err := Read(os.DirFS(dir), "").Refusal.Err()
	if want := "lib/secret.rego: is not a regular file"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v; want %s", err, want)
	}
}

func TestInvariant(t *testing.T) {
	got := read(t, fixture.Folder(nil)).Invariants[0]
	if got.ID != "loaded" || got.Title != "the unit is loaded" || got.Class != "unit" || got.Severity != "page" ||
		fmt.Sprint(got.Needs, got.Optional, got.Actions) != "[units.loaded] [] [daemon-reload restart]" ||
		got.File != fixture.RuleFile || got.Line != 14 || got.Runbook.File != fixture.RunbookFile {
		t.Errorf("got %+v", got)
	}
	if want := strings.TrimSpace(fixture.Rule); got.Rules[0].Text != want {
		t.Errorf("text: got\n%s\nwant\n%s", got.Rules[0].Text, want)
	}
}

func TestDigest(t *testing.T) {
	digest := func(over map[string]string) string { return read(t, fixture.Folder(over)).Digest }
	base := digest(nil)
	if !strings.HasPrefix(base, "sha256:") || len(base) != len("sha256:")+64 {
		t.Errorf("got %q", base)
	}
	for name, over := range map[string]map[string]string{
		"a test": {"lib/a_test.rego": "package a\n"}, "prose elsewhere": {"README.md": "x"}, "a hidden file": {".swp": "x"},
	} {
		if digest(over) != base {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, over := range map[string]map[string]string{
		"a rule": {fixture.RuleFile: fixture.Metadata + fixture.Rule + "# edited\n"}, "a runbook": {fixture.RunbookFile: fixture.Runbook + "x"},
		"settings": {"settings.yaml": "settings: {}\n"}, "a library": {"lib/a.rego": "package stackpolicy.lib\n\nx := 1\n"},
	} {
		if digest(over) == base {
			t.Errorf("%s does not change the digest", name)
		}
	}
}
