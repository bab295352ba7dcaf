package compose

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/google/go-cmp/cmp"
)

// variables are files of variables, right and wrong.
var variables = []string{
	"", "\n\n", "# nothing\n", "A=1\nB=2", "A=1\r\nB=2\r\n", "export A=1\nB: 2\n", "A=$HOME\nB=$A$A\nHOME=other\nC=$HOME\n",
	"A=\"one\ntwo $HOME\n# no comment\n\"\nB='$HOME\nx'\nC=3\n", "A=\"it's\"\nB=2 # comment\nC='a#b'\n", "HOME\nA=1\nNONE\n",
	"A=1\nA=2\nB=$A\n", "B=${A:-$HOME}\nA=1\nC=${A:-x}\n", "A=\"x\\\"\ny\"\nB=1", "A=`x`\n", "A= \nB=\n", "  A = 1\n\tB = 2\n", "A='x' y\nB=1\n",
	"A B=1\n", "A=\"open\nB=1\n", "=1\n", "A=1\n-!\n", "A=${B:?missing}\n", "A='",
}

// Files of variables mean what they mean to compose, although they are read one statement
// at a time.
func TestVariablesAreReadAsComposeDoes(t *testing.T) {
	known := func(name string) (string, bool) { return "home", name == "HOME" }
	for _, text := range variables {
		want, wantErr := dotenv.ParseWithLookup(strings.NewReader(text), known)
		got, err := parseVariables([]byte(text), known)
		if (err == nil) != (wantErr == nil) {
			t.Errorf("%q: error %v, want %v", text, err, wantErr)
			continue
		}
		if d := cmp.Diff(want, got); err == nil && d != "" {
			t.Errorf("%q: -want +got\n%s", text, d)
		}
	}
}

// Values that contain each other would take gigabytes.
func TestVariablesAreBounded(t *testing.T) {
	doubling := "A0=0123456789\n"
	for i := range 40 {
		doubling += fmt.Sprintf("A%d=$A%d$A%d\n", i+1, i, i)
	}
	none := func(string) (string, bool) { return "", false }
	for name, text := range map[string]string{
		"doubling":                  doubling,
		"doubling within a default": strings.ReplaceAll(doubling, "=$", "=${NONE:-$A0}$"),
		"one line":                  "A=" + strings.Repeat("x", 1000) + "\nB=" + strings.Repeat("$A", 100_000),
		"never closed":              "A=\"" + strings.Repeat("x\n", 100_000),
	} {
		if _, err := parseVariables([]byte(text), none); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := parseVariables([]byte("A=\"open\n"), none); err == nil || !strings.Contains(err.Error(), "from line 1: ") {
		t.Errorf("the error does not name the line: %v", err)
	}
}

func TestSubstitutionIsBounded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "compose.yaml")
	text := "services: {app: {image: x, command: \"" + strings.Repeat("$V", 20_000) + "\"}}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(t.Context(), Options{Project: "web", Files: []string{path}, Environ: []string{"V=" + strings.Repeat("x", 200_000)}})
	if err == nil || !strings.Contains(err.Error(), "variables put more than 16 MiB") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %.300v", err)
	}
	text = "include: [\"" + strings.Repeat("$V", 20_000) + "\"]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load(t.Context(), Options{Project: "web", Files: []string{path}, Environ: []string{"V=" + strings.Repeat("x", 200_000)}})
	if err == nil || !strings.Contains(err.Error(), "a path of more than") {
		t.Errorf("got %.300v", err)
	}
}
