package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	linked  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	code    = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
)

// TestLinksLead: the file of every relative link exists, and so does its heading.
func TestLinksLead(t *testing.T) {
	seen := 0
	for name, text := range pages(t) {
		for _, m := range linked.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			seen++
			path, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if path != "" {
				target = filepath.Join(filepath.Dir(name), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if anchor != "" && !hasHeading(t, target, anchor) {
				t.Errorf("%s: %s has no heading #%s", name, target, anchor)
			}
		}
	}
	if seen == 0 {
		t.Error("no links were seen")
	}
}

// hasHeading compares anchors as Git forges make them: lower case, no punctuation,
// dashes for spaces.
func hasHeading(t *testing.T, page, anchor string) bool {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		slug := strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		if slug == anchor {
			return true
		}
	}
	return false
}

// TestEveryPageIsInTheIndex: README.md of this folder names all the others.
func TestEveryPageIsInTheIndex(t *testing.T) {
	all := pages(t)
	for name := range all {
		if filepath.Dir(name) == "." && name != "README.md" && !strings.Contains(all["README.md"], "]("+name+")") {
			t.Errorf("README.md does not name %s", name)
		}
	}
}
