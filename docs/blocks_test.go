package docs

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// block is a piece of code on a page.
type block struct {
	line  int    // of its first line of code
	lang  string // of the fence; sh for an indented block
	text  string
	marks map[string]string // by name, from the comments right before it
}

// Marks are HTML comments between the text and a block: <!-- NAME: VALUE -->.
const (
	markNot    = "not run"     // the reason why it is neither run nor read
	markStage  = "stage"       // where it runs, instead of the stage that its commands suggest
	markNeeds  = "needs"       // the stage that its commands set up
	markBefore = "before"      // commands that a reader ran earlier; they are run first
	markStatus = "exit status" // of its last command; 0 without
	markOutput = "output"      // it is the output of the block before it
	markFile   = "file"        // it is the content of a file that later blocks use
	markDropIn = "drop-in of"  // it is a drop-in of one of the shipped units
)

var (
	comment = regexp.MustCompile(`^<!-- ([a-z -]+?)(?:: (.+))? -->$`)
	fence   = regexp.MustCompile("^```([a-z]*)$")
)

// parse finds the blocks of a page: fenced ones, and those that are indented by
// four spaces after an empty line.
func parse(page string) (blocks []block, err error) {
	lines := strings.Split(page, "\n")
	marks, blank := map[string]string{}, true
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		m, f := comment.FindStringSubmatch(line), fence.FindStringSubmatch(line)
		switch {
		case m != nil:
			marks[m[1]] = m[2]
		case f != nil || blank && strings.HasPrefix(line, "    "):
			b := block{line: i + 1, lang: "sh", marks: marks}
			if i, err = b.read(lines, i, f); err != nil {
				return nil, err
			}
			blocks, marks = append(blocks, b), map[string]string{}
		case line != "":
			marks = map[string]string{}
		}
		blank = lines[i] == "" || m != nil || f != nil
	}
	return blocks, checkMarks(blocks)
}

// read reads the block's lines from line i on, and returns the number of its last
// line.
func (b *block) read(lines []string, i int, fenced []string) (last int, err error) {
	if fenced == nil {
		for ; i < len(lines) && (lines[i] == "" || strings.HasPrefix(lines[i], "    ")); i++ {
			b.text += strings.TrimPrefix(lines[i], "    ") + "\n"
		}
		b.text = strings.TrimRight(b.text, "\n") + "\n"
		return i - 1, nil
	}
	b.line, b.lang = i+2, fenced[1]
	for i++; i < len(lines); i++ {
		if lines[i] == "```" {
			return i, nil
		}
		b.text += lines[i] + "\n"
	}
	return 0, fmt.Errorf("line %d: this block does not end", b.line)
}

func checkMarks(blocks []block) error {
	known := []string{markNot, markStage, markNeeds, markBefore, markStatus, markOutput, markFile, markDropIn}
	for _, b := range blocks {
		for name, value := range b.marks {
			if !slices.Contains(known, name) {
				return fmt.Errorf("line %d: unknown mark %q; known: %s", b.line, name, strings.Join(known, ", "))
			}
			if (value == "") != (name == markOutput) {
				return fmt.Errorf("line %d: %s: each mark but %s has a value", b.line, name, markOutput)
			}
		}
	}
	return nil
}

func TestParse(t *testing.T) {
	const page = "Text:\n\n    one\n\n    two\n\nText\n    no code\n\n<!-- exit status: 1 -->\n\n    three\n\n" +
		"<!-- generated -->\n| a |\n\n<!-- output -->\n```\n\nfour\n```\n```yaml\na: b\n```\n"
	got, err := parse(page)
	if err != nil {
		t.Fatal(err)
	}
	want := []block{
		{3, "sh", "one\n\ntwo\n", map[string]string{}},
		{12, "sh", "three\n", map[string]string{"exit status": "1"}},
		{19, "", "\nfour\n", map[string]string{"output": ""}},
		{23, "yaml", "a: b\n", map[string]string{}},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(block{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, page := range map[string]string{
		"a block without an end": "```sh\nls\n",
		"a misspelt mark":        "<!-- notrun: it cannot be -->\n```sh\nls\n```\n",
		"a mark without a value": "<!-- not run -->\n```sh\nls\n```\n",
		"a value of output":      "<!-- output: some -->\n```\nls\n```\n",
	} {
		if _, err := parse(page); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// pages returns the README, CONTRIBUTING.md and every page of this folder, by path
// relative to this folder.
func pages(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"../README.md", "../CONTRIBUTING.md"}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".md") {
			names = append(names, e.Name())
		}
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	return texts
}
