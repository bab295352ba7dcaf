package applied

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func verified() Verified {
	return Verified{
		Schema: VerifiedSchema, Record: sample(), Compose: "services: {app: {image: app}}\n", Inactive: []string{"debug"},
		Images: []Image{{"localhost/app:1", strings.Repeat("a", 64)}}, Volumes: []string{strings.Repeat("c", 64)},
	}
}

func TestVerifiedIsReadAsWritten(t *testing.T) {
	home := t.TempDir()
	if _, err := ReadVerified(home, "web"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("without a file: %v", err)
	}
	if err := WriteVerified(home, verified()); err != nil {
		t.Fatal(err)
	}
	got, err := ReadVerified(home, "web")
	if d := cmp.Diff(verified(), got); err != nil || d != "" {
		t.Errorf("%v; -want +got\n%s", err, d)
	}
	if info, err := os.Stat(VerifiedPath(home, "web")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for range 2 { // one that does not exist is no error
		if err := ForgetVerified(home, "web"); err != nil {
			t.Error(err)
		}
	}
	if _, err := ReadVerified(home, "web"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("forgotten: %v", err)
	}
}

func TestVerifiedThatCannotBeUsed(t *testing.T) {
	home := t.TempDir()
	path := VerifiedPath(home, "web")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"{":                                     "unexpected EOF",
		`{"schema": "stackpolicy.verified/v9"}`: `schema is "stackpolicy.verified/v9"`,
		`{"schema": "stackpolicy.verified/v1", "record": {"stack": "db"}, "compose": "x"}`: "not this stack's",
		`{"schema": "stackpolicy.verified/v1", "record": {"stack": "web"}}`:                "compose is missing",
		`{"schema": "stackpolicy.verified/v1", "mode": 1}`:                                 `unknown field "mode"`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadVerified(home, "web"); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}
