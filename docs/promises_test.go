package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest = regexp.MustCompile("`(Test\\w+)`")
	aTest     = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// TestPromisesAreKept checks that each test that threat-model.md names exists, and that each
// promise of its tables names one.
func TestPromisesAreKept(t *testing.T) {
	text, err := os.ReadFile("threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range aTest.FindAllSubmatch(source, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := namedTest.FindAllSubmatch(text, -1)
	for _, m := range named {
		if !there[string(m[1])] {
			t.Errorf("there is no %s", m[1])
		}
	}
	if len(named) < 30 {
		t.Errorf("only %d tests are named", len(named))
	}
	isPromise := false
	for line := range strings.Lines(string(text)) {
		isPromise = strings.HasPrefix(line, "|") && (isPromise || strings.HasPrefix(line, "| promise |"))
		if isPromise && !strings.HasPrefix(line, "| promise |") && !strings.HasPrefix(line, "|---") && !strings.Contains(line, "`Test") && !strings.Contains(line, "`testdata/") {
			t.Errorf("no test keeps this: %s", line)
		}
	}
}
