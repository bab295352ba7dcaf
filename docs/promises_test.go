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

// TestPromisesAreKept checks that each test that threat-model.md and the pages of the fleet name
// exists, and that each promise of their tables names one.
func TestPromisesAreKept(t *testing.T) {
	there := tests(t)
	for page, least := range map[string]int{"threat-model.md": 30, "fleet-security.md": 15, "fleet-releases.md": 20} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		keeps(t, page, string(text), there, least)
	}
}

// tests returns the names of all tests of the project.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	there := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
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
	return there
}

// keeps checks one page, which names at least so many tests.
func keeps(t *testing.T, page, text string, there map[string]bool, least int) {
	t.Helper()
	named := namedTest.FindAllStringSubmatch(text, -1)
	for _, m := range named {
		if !there[m[1]] {
			t.Errorf("%s: there is no %s", page, m[1])
		}
	}
	if len(named) < least {
		t.Errorf("%s: only %d tests are named", page, len(named))
	}
	isPromise := false
	for line := range strings.Lines(text) {
		isPromise = strings.HasPrefix(line, "|") && (isPromise || strings.HasPrefix(line, "| promise |"))
		if isPromise && !strings.HasPrefix(line, "| promise |") && !strings.HasPrefix(line, "|---") && !strings.Contains(line, "`Test") && !strings.Contains(line, "`testdata/") {
			t.Errorf("%s: no test keeps this: %s", page, line)
		}
	}
}
