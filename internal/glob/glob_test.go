package glob

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

type row struct {
	Pattern string `json:"pattern"`
	Name    string `json:"name"`
	Match   bool   `json:"match"`
}

func table(t *testing.T) (rows []row) {
	t.Helper()
	content, err := os.ReadFile("../../testdata/globs.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Globs []row `json:"globs"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Globs) < 80 {
		t.Fatalf("globs.json has only %d rows", len(file.Globs))
	}
	return file.Globs
}

func TestMatch(t *testing.T) {
	for _, r := range table(t) {
		if got := Match(r.Pattern, r.Name); got != r.Match {
			t.Errorf("Match(%q, %q) = %t, want %t", r.Pattern, r.Name, got, r.Match)
		}
	}
}

// askLibc answers each row of the table with the C library's fnmatch(3).
const askLibc = `
import ctypes, json, sys
FNM_NOESCAPE = 2
libc = ctypes.CDLL(None)
rows = json.load(sys.stdin)
json.dump([libc.fnmatch(r["pattern"].encode(), r["name"].encode(), FNM_NOESCAPE) == 0 for r in rows], sys.stdout)
`

// The table itself is what the C library says, which systemctl uses.
func TestTableIsFnmatch(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3, which calls fnmatch(3) here, is not installed")
	}
	rows := table(t)
	input, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", askLibc)
	cmd.Env = []string{"LC_ALL=C"}
	cmd.Stdin = strings.NewReader(string(input))
	output, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []bool
	if err := json.Unmarshal(output, &want); err != nil || len(want) != len(rows) {
		t.Fatalf("%d answers, %v", len(want), err)
	}
	for i, r := range rows {
		if r.Match != want[i] {
			t.Errorf("globs.json says that %q matches %q: %t; fnmatch(3) says %t", r.Pattern, r.Name, r.Match, want[i])
		}
	}
}

func TestMatchAny(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		want     bool
	}{
		{nil, false},
		{[]string{"db.service"}, false},
		{[]string{"db.service", "web.*"}, true},
	} {
		if got := MatchAny(c.patterns, "web.service"); got != c.want {
			t.Errorf("MatchAny(%q) = %t, want %t", c.patterns, got, c.want)
		}
	}
}

func TestNamedClasses(t *testing.T) {
	members := map[string]string{
		"alpha": "azAZ", "upper": "AZ", "lower": "az", "digit": "09", "xdigit": "09afAF", "alnum": "azAZ09",
		"punct": "!/:@[`{~", "graph": "!~a0", "print": " ~a", "space": " \t\n", "blank": " \t", "cntrl": "\t\x7f", "none": "",
	}
	outside := map[string]string{
		"alpha": "0@[`{", "upper": "a@[", "lower": "A`{", "digit": "/:a", "xdigit": "gG/:@", "alnum": "_@[`{/:",
		"punct": "a0 \t", "graph": " \t\x7f", "print": "\t\x7f", "space": "a_", "blank": "\na", "cntrl": " ~", "none": "a0",
	}
	for name, in := range members {
		for i := range len(in) {
			if !Match("[[:"+name+":]]", in[i:i+1]) {
				t.Errorf("%q is not in [:%s:]", in[i], name)
			}
		}
		for i := range len(outside[name]) {
			if Match("[[:"+name+":]]", outside[name][i:i+1]) {
				t.Errorf("%q is in [:%s:]", outside[name][i], name)
			}
		}
	}
}

func TestValid(t *testing.T) {
	for pattern, want := range map[string]bool{
		"web.service": true, "web-*.service": true, "web[12].service": true, "web[!12].service": true, "web[]a].service": true,
		`a\x2db*`: true, "web[[:digit:]].service": true, "web].service": true, "": true, "[a-z][0-9]": true,
		"web[": false, "web[.service": false, "web[]": false, "web[!]": false, "web[a][": false,
		"web[[.a.]]": false, "web[[=a=]]": false,
	} {
		if got := Valid(pattern); got != want {
			t.Errorf("Valid(%q) = %t, want %t", pattern, got, want)
		}
	}
}

// A pattern with many stars must not take time that grows with their number.
func TestManyStars(t *testing.T) {
	pattern, name := strings.Repeat("a*", 100)+"b", strings.Repeat("a", 250)
	if Match(pattern, name) {
		t.Error("matches")
	}
}
