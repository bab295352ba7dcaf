// Package docs holds the pages, and tests that they are true: every block of commands
// is run, every block of configuration is read, and the target of every link exists.
//
// Start at [TestBlocks]. A block that can be neither run nor read says why in a
// comment right before it: <!-- not run: REASON -->.
package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// limit bounds the commands of one block, and setting up one stage.
const limit = 2 * time.Minute

// bin is the folder of the programs under test.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "stackpolicy-docs-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		build := exec.Command("go", "build", "-o", dir, "stackpolicy/cmd/stackpolicy", "stackpolicy/cmd/stackctl", "stackpolicy/cmd/stackfleet")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// TestBlocks runs or reads every block of every page, in order.
func TestBlocks(t *testing.T) {
	for name, text := range pages(t) {
		t.Run(filepath.Join("docs", name), func(t *testing.T) {
			blocks, err := parse(text)
			if err != nil {
				t.Fatal(err)
			}
			t.Parallel()
			p := &page{stages: map[string]stage{}}
			t.Cleanup(func() { p.close(t) })
			for _, b := range blocks {
				t.Run(fmt.Sprintf("line %d", b.line), func(t *testing.T) { p.judge(t, b) })
			}
		})
	}
}

// page is the state that the blocks of one page share.
type page struct {
	stages map[string]stage
	last   *result // of the previous block of commands; nil if that did not run
}

// judge runs or reads a block, as its marks and its language say.
func (p *page) judge(t *testing.T, b block) {
	way, err := b.way()
	if err != nil {
		t.Fatal(err)
	}
	switch way {
	case markNot:
		t.Skipf("not run: %s", b.marks[markNot])
	case markFile:
		if err := p.stage(t, b).write(b.marks[markFile], b.text); err != nil {
			t.Fatal(err)
		}
	case markOutput:
		p.compare(t, b)
	case "sh", "console":
		p.run(t, b)
	case "yaml":
		readYAML(t, b.text)
	case "ini":
		verifyUnit(t, b)
	case "nix":
		readNix(t, b.text)
	}
}

// way returns how a block is tested: a mark that says it, or its language. If neither
// says it, the test fails, so that no block is forgotten.
func (b block) way() (string, error) {
	for _, mark := range []string{markNot, markFile, markOutput} {
		if _, has := b.marks[mark]; has {
			return mark, nil
		}
	}
	if !slices.Contains([]string{"sh", "console", "yaml", "ini", "nix"}, b.lang) {
		return "", fmt.Errorf("nothing says how to check a block of %q; say what it is by its language, or by a mark: %s, %s or %s",
			b.lang, markFile, markOutput, markNot)
	}
	return b.lang, nil
}

func TestNoBlockGoesUnread(t *testing.T) {
	for _, b := range []block{{lang: ""}, {lang: "rego"}, {lang: "bsh"}, {lang: "", marks: map[string]string{markStage: stageHome}}} {
		if way, err := b.way(); err == nil {
			t.Errorf("%q with %v is taken for %s", b.lang, b.marks, way)
		}
	}
	if way, err := (block{lang: "rego", marks: map[string]string{markNot: "a part of a rule"}}).way(); way != markNot || err != nil {
		t.Errorf("a mark that says why: %q, %v", way, err)
	}
}

// run runs the commands of a block as a shell script that ends at the first command
// that fails.
func (p *page) run(t *testing.T, b block) {
	want, err := 0, error(nil)
	if status := b.marks[markStatus]; status != "" {
		if want, err = strconv.Atoi(status); err != nil {
			t.Fatal(err)
		}
	}
	script := b.script()
	if script == "" {
		t.Fatal("it holds no command")
	}
	p.last = nil
	if needs := b.marks[markNeeds]; needs != "" {
		available(t, needs)
	}
	s := p.stage(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if before := b.marks[markBefore]; before != "" {
		if r := s.run(ctx, before); r.status != 0 {
			t.Fatalf("what comes before: %s\nexit status %d\n%s", before, r.status, r.output)
		}
	}
	r := s.run(ctx, script)
	p.last = &r
	if r.status != want {
		t.Errorf("exit status %d, want %d\n%s\n%s", r.status, want, script, r.output)
	}
}

// script returns the commands of a block: every line or, in a console session, the
// lines with a prompt.
func (b block) script() string {
	if b.lang != "console" {
		return strings.TrimSpace(b.text)
	}
	var commands []string
	for line := range strings.Lines(b.text) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			commands = append(commands, strings.TrimSpace(command))
		}
	}
	return strings.Join(commands, "\n")
}

func TestScript(t *testing.T) {
	const session = "$ ls a\na\n$ rm a\n"
	for lang, want := range map[string]string{"sh": "$ ls a\na\n$ rm a", "console": "ls a\nrm a"} {
		if got := (block{lang: lang, text: session}).script(); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
}

// compare compares the output that a page shows with what was printed.
func (p *page) compare(t *testing.T, b block) {
	if p.last == nil {
		t.Skip("the commands before it did not run")
	}
	got := slices.Collect(strings.Lines(p.last.output))
	for i := range got {
		got[i] = strings.TrimRight(got[i], " \n") + "\n"
	}
	if text := strings.Join(got, ""); uncounted(text) != uncounted(b.text) {
		t.Errorf("the block before it printed\n%s\nand the page says\n%s", text, b.text)
	}
}

var checks = regexp.MustCompile(`\d+ of \d+ checks`)

// uncounted removes the number of checks: it grows with every invariant, and that
// does not make a page wrong.
func uncounted(output string) string { return checks.ReplaceAllString(output, "N of N checks") }

// stage returns the stage that a block runs on, set up when it is first needed. If
// it cannot be set up, the block is skipped with the reason.
func (p *page) stage(t *testing.T, b block) stage {
	t.Helper()
	name := b.stage()
	if s := p.stages[name]; s != nil {
		return s
	}
	k := available(t, name)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	s, err := k.open(ctx)
	if err != nil {
		t.Fatalf("set the stage %s: %v", name, err)
	}
	p.stages[name] = s
	return s
}

// available returns the kind of stage with that name; if this machine cannot have
// it, the block is skipped.
func available(t *testing.T, name string) kind {
	t.Helper()
	k, known := kinds()[name]
	if !known {
		t.Fatalf("unknown stage %q", name)
	}
	if err := k.absent(); err != nil {
		t.Skipf("no %s can be had here: %v", name, err)
	}
	return k
}

func (p *page) close(t *testing.T) {
	for _, s := range p.stages {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestReadmeBegins: a reader sees one sentence, the picture, and then how to install it, in a
// page that is short.
func TestReadmeBegins(t *testing.T) {
	text := pages(t)["../README.md"]
	if n := strings.Count(text, "\n"); n > 120 {
		t.Errorf("%d lines, want 120 at most: move the rest to docs/", n)
	}
	before, _, _ := strings.Cut(text, "\n## Install\n")
	before, picture, _ := strings.Cut(before, "![")
	if picture == "" || strings.Contains(before+picture, "\n#") || strings.Count(before, ".") != 1 {
		t.Errorf("it begins with %s", before)
	}
}
