package diff3

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	t.Parallel()
	const base = "a\nb\nc\nd\ne\n"
	conflict := func(mine, theirs string) string {
		return "<<<<<<< mine\n" + mine + "=======\n" + theirs + ">>>>>>> theirs\n"
	}
	for name, c := range map[string]struct{ base, mine, theirs, want string }{
		"nobody":                        {base, base, base, base},
		"mine":                          {base, "a\nB\nc\nd\ne\n", base, "a\nB\nc\nd\ne\n"},
		"theirs":                        {base, base, "a\nB\nc\nd\ne\n", "a\nB\nc\nd\ne\n"},
		"both the same":                 {base, "a\nB\nc\nd\ne\n", "a\nB\nc\nd\ne\n", "a\nB\nc\nd\ne\n"},
		"both, apart":                   {base, "A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n", "A\nb\nc\nd\nE\n"},
		"both, a line between":          {base, "a\nB\nc\nd\ne\n", "a\nb\nc\nD\ne\n", "a\nB\nc\nD\ne\n"},
		"both, side by side":            {base, "a\nB\nc\nd\ne\n", "a\nb\nC\nd\ne\n", "a\n" + conflict("B\nc\n", "b\nC\n") + "d\ne\n"},
		"both, one line":                {base, "a\nX\nc\nd\ne\n", "a\nY\nc\nd\ne\n", "a\n" + conflict("X\n", "Y\n") + "c\nd\ne\n"},
		"removed and changed":           {base, "a\nc\nd\ne\n", "a\nY\nc\nd\ne\n", "a\n" + conflict("", "Y\n") + "c\nd\ne\n"},
		"removed and changed elsewhere": {base, "a\nc\nd\ne\n", "a\nb\nc\nd\nE\n", "a\nc\nd\nE\n"},
		"one the same, one not":         {base, "A\nb\nc\nX\ne\n", "A\nb\nc\nY\ne\n", "A\nb\nc\n" + conflict("X\n", "Y\n") + "e\n"},
		"at the end":                    {base, base + "mine\n", base + "theirs\n", base + conflict("mine\n", "theirs\n")},
		"from nothing":                  {"", "mine\n", "theirs\n", conflict("mine\n", "theirs\n")},
		"to nothing":                    {base, "", "a\nb\nc\nd\nE\n", conflict("", "a\nb\nc\nd\nE\n")},
		"no end of the last line":       {"a\nb\nc", "A\nb\nc", "a\nb\nC", "A\nb\nC\n"},
		"only mine, no end":             {"a", "b", "a", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			got, conflicts := Merge([]byte(c.base), []byte(c.mine), []byte(c.theirs), "mine", "theirs")
			if string(got) != c.want || conflicts != strings.Count(c.want, "<<<<<<< ") {
				t.Errorf("%d conflicts, got\n%swant\n%s", conflicts, got, c.want)
			}
			if (Marked(got) > 0) != (conflicts > 0) {
				t.Errorf("marked: %d", Marked(got))
			}
		})
	}
}

func TestMarked(t *testing.T) {
	for text, want := range map[string]int{
		"":                                 0,
		"a\n=======\nb\n":                  0, // a title in Markdown
		"a <<<<<<< b\n":                    0,
		"# a\n# <<<<<<< mine\n":            0,
		"a\n<<<<<<< mine\n":                2,
		"a\nb\n>>>>>>> built in":           3,
		"<<<<<<< HEAD\n=======\n>>>>>>> x": 1,
	} {
		if got := Marked([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// random makes texts of lines that repeat often, or not at all.
type random struct {
	*rand.Rand
	unique bool
	next   int
}

func (r *random) line() string {
	if r.next++; r.unique {
		return fmt.Sprintf("line %d\n", r.next)
	}
	return strings.Repeat("x", r.IntN(4)) + "\n"
}

func (r *random) text(n int) (text []string) {
	for range n {
		text = append(text, r.line())
	}
	return text
}

func (r *random) edited(text []string) []string {
	text = slices.Clone(text)
	for range r.IntN(4 + len(text)/10) {
		at := r.IntN(len(text) + 1)
		end := min(at+r.IntN(3), len(text))
		text = slices.Replace(text, at, end, r.text(r.IntN(3))...)
	}
	return text
}

// cases calls check with random texts, always the same ones.
func cases(t *testing.T, n, size int, unique bool, check func(base, mine, theirs []string)) {
	r := &random{Rand: rand.New(rand.NewPCG(1, 2)), unique: unique}
	for i := 0; i < n && !t.Failed(); i++ {
		base := r.text(r.IntN(size))
		check(base, r.edited(base), r.edited(base))
	}
}

// sides returns what is left of a result if each conflict is decided for one side.
func sides(text []byte) (mine, theirs []string) {
	in := ""
	for line := range strings.Lines(string(text)) {
		switch mark := strings.Fields(line + " .")[0]; {
		case mark == "<<<<<<<", mark == "=======", mark == ">>>>>>>":
			in = mark
		default:
			if in != "=======" {
				mine = append(mine, line)
			}
			if in != "<<<<<<<" {
				theirs = append(theirs, line)
			}
		}
	}
	return mine, theirs
}

// contains reports whether a text has these lines, in this order, with others between them.
func contains(text, lines []string) bool {
	for _, line := range text {
		if len(lines) > 0 && line == lines[0] {
			lines = lines[1:]
		}
	}
	return len(lines) == 0
}

// added are lines of a text that base does not have.
func added(base, text []string) []string {
	return slices.DeleteFunc(slices.Clone(text), func(line string) bool { return slices.Contains(base, line) })
}

func TestProperties(t *testing.T) {
	t.Parallel()
	join := func(lines []string) string { return strings.Join(lines, "") }
	for _, unique := range []bool{false, true} {
		cases(t, 1_000, 30, unique, func(base, mine, theirs []string) {
			check := func(what, want string, three ...[]string) {
				if got, conflicts := merge(three[0], three[1], three[2], "m", "t"); string(got) != want || conflicts > 0 {
					t.Errorf("%s of %q\ngot  %q, %d conflicts\nwant %q", what, three, got, conflicts, want)
				}
			}
			check("only mine", join(mine), base, mine, base)
			check("only theirs", join(theirs), base, base, theirs)
			check("the same", join(mine), base, mine, mine)
			got, conflicts := merge(base, mine, theirs, "m", "t")
			back, backConflicts := merge(base, theirs, mine, "m", "t")
			m, o := sides(got)
			backO, backM := sides(back)
			if conflicts != backConflicts || !slices.Equal(m, backM) || !slices.Equal(o, backO) {
				t.Errorf("not symmetric: base %q mine %q theirs %q:\n%q\n%q", base, mine, theirs, got, back)
			}
			all := lines(got)
			if unique && (!contains(all, added(base, mine)) || !contains(all, added(base, theirs))) {
				t.Errorf("a line is lost: base %q mine %q theirs %q: %q", base, mine, theirs, got)
			}
		})
	}
}

// TestOthers compares with diff3 and git, on texts where there is one best diff.
func TestOthers(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{
		"diff3": {"diff3", "-m", "-E", "-L", "mine", "-L", "base", "-L", "theirs", "mine", "base", "theirs"},
		"git":   {"git", "merge-file", "-p", "--diff3", "-L", "mine", "-L", "base", "-L", "theirs", "mine", "base", "theirs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(command[0])
			if err != nil {
				t.Skipf("%v", err)
			}
			dir := t.TempDir()
			conflicted := 0
			cases(t, 20, 500, true, func(base, mine, theirs []string) {
				for file, text := range map[string][]string{"base": base, "mine": mine, "theirs": theirs} {
					if err := os.WriteFile(filepath.Join(dir, file), []byte(strings.Join(text, "")), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				cmd := exec.Command(path, command[1:]...)
				cmd.Dir = dir
				want, _ := cmd.Output() // the exit status tells of conflicts
				got, conflicts := merge(base, mine, theirs, "mine", "theirs")
				conflicted += conflicts
				if want = withoutBase(want); !bytes.Equal(got, want) {
					t.Errorf("base %q\nmine %q\ntheirs %q\ngot\n%s\nwant\n%s", base, mine, theirs, got, want)
				}
			})
			if conflicted < 20 {
				t.Errorf("only %d conflicts", conflicted)
			}
		})
	}
}

// withoutBase removes what base had from each conflict.
func withoutBase(text []byte) []byte {
	var out strings.Builder
	in := false
	for line := range strings.Lines(string(text)) {
		in = in && line != "=======\n" || strings.HasPrefix(line, "||||||| ")
		if !in {
			out.WriteString(line)
		}
	}
	return []byte(out.String())
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte("a\nb\n"), []byte("a\nc\n"), []byte("b"))
	f.Fuzz(func(t *testing.T, base, mine, theirs []byte) {
		text, conflicts := Merge(base, mine, theirs, "mine", "theirs")
		if len(text) > len(base)+len(mine)+len(theirs)+100*(conflicts+1) {
			t.Errorf("%d bytes", len(text))
		}
	})
}
