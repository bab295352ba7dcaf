package unitfile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func parsed(texts ...string) Settings {
	s := Settings{values: map[string][]string{}, reset: map[string]int{}}
	for _, text := range texts {
		scan([]byte(text), s.add)
	}
	return s
}

// TestParse asks for Unit.A in each; TestFreshlyLoadedIsTheSame has a real
// manager's word for most.
func TestParse(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"plain":                      {"[Unit]\nA=1\n", []string{"1"}},
		"no newline at the end":      {"[Unit]\nA=1", []string{"1"}},
		"blanks around":              {" [Unit] \n\t A \t=\t 1 2 \t\n", []string{"1 2"}},
		"equals in the value":        {"[Unit]\nA=b=c=\n", []string{"b=c="}},
		"comments":                   {"[Unit]\n#A=1\n ;A=2\nA=3 # no comment\n", []string{"3 # no comment"}},
		"list":                       {"[Unit]\nA=1\nA=2\n", []string{"1", "2"}},
		"reset":                      {"[Unit]\nA=1\nA= \nA=2\n", []string{"2"}},
		"section again":              {"[Unit]\nA=1\n[Service]\nA=2\n[Unit]\nA=3\n", []string{"1", "3"}},
		"other case":                 {"[unit]\nA=1\n[Unit]\na=2\n", nil},
		"before any section":         {"A=1\n[Unit]\n", nil},
		"continued":                  {"[Unit]\nA=1 \\\n  2\n", []string{"1    2"}},
		"comment in a continuation":  {"[Unit]\nA=1\\\n# no \\\n;no\n2\n", []string{"1 2"}},
		"blank line ends it":         {"[Unit]\nA=1\\\n\nA=2\n", []string{"1", "2"}},
		"continued at the end":       {"[Unit]\nA=1\\", []string{"1"}},
		"continued section":          {"[Un\\\nit]\nA=1\n", nil},
		"two backslashes":            {"[Unit]\nA=1\\\\\nA=2\n", []string{"1\\\\", "2"}},
		"three backslashes":          {"[Unit]\nA=1\\\\\\\nA=2\n", []string{"1\\\\ A=2"}},
		"backslash and blank":        {"[Unit]\nA=1\\ \nA=2\n", []string{"1\\", "2"}},
		"CRLF":                       {"[Unit]\r\nA=1 \\\r\n2\r\n", []string{"1  2"}},
		"CR alone":                   {"[Unit]\rA=1\rA=2", []string{"1", "2"}},
		"LFCR":                       {"[Unit]\n\rA=1\n\rA=2", []string{"1", "2"}},
		"NUL":                        {"[Unit]\x00A=1\x00A=2", []string{"1", "2"}},
		"byte order mark":            {"\ufeff[Unit]\nA=1\n", []string{"1"}},
		"no-break space is no blank": {"[Unit]\nA=\u00a01\u00a0\n", []string{"\u00a01\u00a0"}},
		"no equals sign":             {"[Unit]\nA\nA=1\n", []string{"1"}},
		"no key":                     {"[Unit]\n=1\nA=2\n", []string{"2"}},
		"open section ends the file": {"[Unit]\nA=1\n[Unit\nA=2\n", []string{"1"}},
		"bad UTF-8 ends the file":    {"[Unit]\nA=1\nB=\xff\nA=2\n", []string{"1"}},
		"bad UTF-8 in a comment":     {"[Unit]\n#\xff\nA=2\n", []string{"2"}},
		"long line ends the file":    {"[Unit]\nA=1\nB=" + long + "\nA=2\n", []string{"1"}},
		"long continuation likewise": {"[Unit]\nA=1\nB=" + long[:1<<19] + "\\\n" + long[:1<<19] + "\nA=2\n", []string{"1"}},
		"longest line":               {"[Unit]\nA=" + long[:1<<20-3], []string{long[:1<<20-3]}},
		"binary":                     {"\x7fELF\x02\x01\x01\x00\x00[Unit]\xfe\nA=1\n", nil},
		"section with a dot":         {"[Unit.A]\nB=1\n[Unit]\nA.B=2\n", nil},
		"empty":                      {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := parsed(tc.text).List("Unit.A"); !slices.Equal(got, tc.want) {
				t.Errorf("got %.200q, want %.200q", got, tc.want)
			}
		})
	}
}

func TestLaterFilesFollow(t *testing.T) {
	s := parsed("[Unit]\nA=1\nB=1\nC=1\n[Service]\n", "A=no section yet\n[Unit]\nA=2\nB=\n", "[Unit\nC=2\n")
	for key, want := range map[string]struct {
		last string
		set  bool
	}{"Unit.A": {"2", true}, "Unit.B": {"", true}, "Unit.C": {"1", true}, "Unit.D": {"", false}, "Service.A": {"", false}} {
		if got, set := s.Last(key); got != want.last || set != want.set {
			t.Errorf("%s: %q, %t; want %q, %t", key, got, set, want.last, want.set)
		}
	}
}

// TestParseIsLinear: a file of nothing but continuations is read in no time.
func TestParseIsLinear(t *testing.T) {
	start := time.Now()
	parsed("[Unit]\nA=" + strings.Repeat("\\\n", maxSize/2))
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"[Unit]\nA=1 \\\n# c\n 2\n", "\ufeff[A]\r\nB=\\\\\r\n", "[", "\x00=\xff", "[Unit]\nA=\nA=1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for key, values := range parsed(string(content)).values {
			for _, v := range values {
				if v == "" || strings.Trim(v, whitespace) != v || strings.ContainsAny(v, "\n\r\x00") || len(v) > maxLine {
					t.Errorf("%q: value %q", key, v)
				}
			}
		}
	})
}

// Dependencies cannot be reset by an empty assignment (systemd.unit(5)).
func TestAll(t *testing.T) {
	s := parsed("[Unit]\nWants=a.service\nWants=\nWants=b.service", "[Unit]\nWants=\n")
	if got, want := s.All("Unit.Wants"), []string{"a.service", "b.service"}; !slices.Equal(got, want) {
		t.Errorf("All: %v, want %v", got, want)
	}
	if got := s.List("Unit.Wants"); len(got) != 0 {
		t.Errorf("List after an empty assignment: %v", got)
	}
	if got := s.All("Unit.Requires"); len(got) != 0 {
		t.Errorf("not assigned: %v", got)
	}
}

func TestAssignments(t *testing.T) {
	for name, tc := range map[string]struct {
		text    string
		want    []Assignment
		stopped int
	}{
		"nothing":               {"", nil, 0},
		"first line":            {"A=1", []Assignment{{"", "A", "1", 1}}, 0},
		"empty and twice":       {"[U]\n\nA=1\nA=\nA=%n\n", []Assignment{{"U", "A", "1", 3}, {"U", "A", "", 4}, {"U", "A", "%n", 5}}, 0},
		"after a continuation":  {"[U]\nA=1 \\\n# no\n  2\nB=3\n", []Assignment{{"U", "A", "1    2", 2}, {"U", "B", "3", 5}}, 0},
		"continued at the end":  {"[U]\n#\nA=1\\", []Assignment{{"U", "A", "1", 3}}, 0},
		"CRLF":                  {"[U]\r\nA=1\r\n\r\nB=2\r\n", []Assignment{{"U", "A", "1", 2}, {"U", "B", "2", 4}}, 0},
		"open section":          {"[U]\nA=1\n[U\nA=2\n", []Assignment{{"U", "A", "1", 2}}, 3},
		"bad UTF-8, continued":  {"[U]\nA=\\\n\xff\nB=2\n", nil, 2},
		"bad UTF-8 at the end":  {"[U]\nA=\xff\\", nil, 2},
		"text that is no value": {"[U]\nA\nB=2\n", []Assignment{{"U", "B", "2", 3}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "web.service")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, stopped, err := Assignments(path)
			if err != nil || stopped != tc.stopped || !slices.Equal(got, tc.want) {
				t.Errorf("got %v, stopped at %d, %v; want %v, %d", got, stopped, err, tc.want, tc.stopped)
			}
		})
	}
	if _, _, err := Assignments(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that does not exist: no error")
	}
}
