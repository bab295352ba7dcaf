package unitfile

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var spec = Specifiers{'n': "web@one.service", 'h': "/home/a b", 'e': ""}

func TestExpand(t *testing.T) {
	for in, want := range map[string]struct {
		out string
		ok  bool
	}{
		"": {"", true}, "plain": {"plain", true}, "%h/x": {"/home/a b/x", true}, "%%h": {"%h", true},
		"%e": {"", true}, "%%%n": {"%web@one.service", true}, "%z": {"", false}, "100%": {"", false}, "%%%": {"", false},
	} {
		if got, ok := spec.Expand(in); got != want.out || ok != want.ok {
			t.Errorf("Expand(%q) = %q, %t", in, got, ok)
		}
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string][]string{
		"":             {},
		" \t\r\n ":     {},
		"a  b\tc\rd":   {"a", "b", "c", "d"},
		`"a b" 'c d'`:  {"a b", "c d"},
		`a"b c"d`:      {"ab cd"},
		`"" ''`:        {"", ""},
		`"it's" 'a"b'`: {"it's", `a"b`},
		`"open`:        nil,
		`it's`:         nil,
		`a\b`:          nil,
		"\u00a0a b":    {"\u00a0a", "b"},
	} {
		got, ok := Words(in)
		if ok != (want != nil) || ok && !slices.Equal(got, want) {
			t.Errorf("Words(%q) = %q, %t; want %q", in, got, ok, want)
		}
	}
}

func TestParseCommand(t *testing.T) {
	for in, want := range map[string]struct {
		argv   string // "" is not understood
		ignore bool
	}{
		"/bin/true a":                  {"/bin/true|a", false},
		"true":                         {"true", false},
		"-/bin/true":                   {"/bin/true", true},
		`"-/bin/true" a`:               {"/bin/true|a", true},
		":-/bin/true $A":               {"/bin/true|$A", true},
		"+/bin/true":                   {"/bin/true", false},
		"!!/bin/true":                  {"/bin/true", false},
		"/bin/echo %h %%":              {"/bin/echo|/home/a b|%", false},
		`/bin/echo "" x`:               {"/bin/echo||x", false},
		"- /bin/true":                  {},
		"--/bin/true":                  {},
		"+!/bin/true":                  {},
		"!!!/bin/true":                 {},
		"@/bin/true x":                 {},
		"|/bin/true":                   {},
		"/bin/true ; /bin/false":       {},
		"/bin/true %z":                 {},
		"/bin/":                        {},
		"bin/true":                     {},
		"..":                           {},
		"-":                            {},
		`'' a`:                         {},
		`"/bin/a'b"`:                   {},
		"/" + strings.Repeat("a", 256): {},
		`/bin/true "open`:              {},
		`/bin/true a\x20b`:             {},
		"":                             {},
	} {
		got, ok := ParseCommand(in, spec)
		if ok != (want.argv != "") || ok && (strings.Join(got.Argv, "|") != want.argv || got.IgnoreFailure != want.ignore) {
			t.Errorf("ParseCommand(%q) = %+v, %t; want %+v", in, got, ok, want)
		}
	}
}

func TestParseListsWithoutWhatSystemdDrops(t *testing.T) {
	for name, tc := range map[string]struct {
		parse    func(string, Specifiers) ([]string, bool)
		in, want string
		ok       bool
	}{
		"documentation": {ParseDocumentation, "man:a(1) nonsense http:// file:/ file:/x info:é https://%n", "man:a(1)|file:/x|https://web@one.service", true},
		"open quote":    {ParseDocumentation, `man:a "man:b`, "", false},
		"environment":   {ParseEnvironment, `A=1 NOVALUE 1X=1 A-B=1 =x "_b2=%h" C=`, "A=1|_b2=/home/a b|C=", true},
		"control":       {ParseEnvironment, "A=1 \"B=\x01\" \"C=a\tb\"", "A=1|C=a\tb", true},
		"unknown":       {ParseEnvironment, "A=%z", "", false},
		"escape":        {ParseEnvironment, `A=\n`, "", false},
	} {
		got, ok := tc.parse(tc.in, spec)
		if ok != tc.ok || ok && strings.Join(got, "|") != tc.want {
			t.Errorf("%s: %q, %t; want %q, %t", name, got, ok, tc.want, tc.ok)
		}
	}
}

func TestParseBool(t *testing.T) {
	for in, want := range map[string]string{"YES": "true", "on": "true", "1": "true", "t": "true", "off": "false", "N": "false", "": "?", "2": "?", "yes ": "?"} {
		v, ok := ParseBool(in)
		if got := map[bool]map[bool]string{true: {true: "true", false: "false"}, false: {true: "?", false: "?"}}[ok][v]; got != want {
			t.Errorf("ParseBool(%q) is %s, want %s", in, got, want)
		}
	}
}

func TestParseSpan(t *testing.T) {
	const no = -2
	for in, want := range map[string]time.Duration{
		"90": 90 * time.Second, "1min 30s": 90 * time.Second, "1min30": 90 * time.Second, "5 5": 10 * time.Second,
		"2.5s": 2500 * time.Millisecond, ".5": 500 * time.Millisecond, "8.0000009s": 8 * time.Second,
		"1.001001s": 1001001 * time.Microsecond, "4.35s": 4350 * time.Millisecond, "5 ms": 5 * time.Millisecond,
		"3µs": 3 * time.Microsecond, "3μs": 3 * time.Microsecond, "1w": 168 * time.Hour, "0": 0, "infinity": -1, " 1\t h ": time.Hour,
		"": no, " ": no, "s": no, "5.": no, "5.s": no, "1.2.3": no, "-1": no, "+1": no, "5parsec": no, "1month": no, "1M": no,
		"infinity 5": no, "99999999999999999s": no, "99999999999999999999": no, "6000w": no, "5000w 5000w": no, "1e3": no,
	} {
		got, ok := ParseSpan(in)
		if ok != (want != no) || ok && got != want {
			t.Errorf("ParseSpan(%q) = %s, %t", in, got, ok)
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, seed := range []string{`a "b c" 'd'`, `"`, "\t\r\n", `a\`, `-@"/bin/x" %h ; y`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, v string) {
		words, ok := Words(v)
		if ok && len(strings.Join(words, "")) > len(v) {
			t.Errorf("%q: longer than what they came from: %q", v, words)
		}
		if c, ok := ParseCommand(v, spec); ok && (len(c.Argv) == 0 || strings.ContainsAny(c.Argv[0], " \t\n\r") && !strings.ContainsAny(v, `"'`) && !strings.Contains(v, "%h")) {
			t.Errorf("%q: command %q", v, c.Argv)
		}
		if d, ok := ParseSpan(v); ok && d < -1 {
			t.Errorf("%q: span %s", v, d)
		}
	})
}

func TestPattern(t *testing.T) {
	spec := Specifiers{'N': "web", 'i': ""}
	for value, want := range map[string]string{
		"db.service": "db.service", "%N-db.service": "web-db.service", "h@%i.service": "h@.service", "%H-x.service": "*-x.service",
		"100%%": "100%", "%": "*", "a%": "a*", "": "", "%N%N%b": "webweb*",
	} {
		if got := spec.Pattern(value); got != want {
			t.Errorf("Pattern(%q) = %q, want %q", value, got, want)
		}
	}
}

func TestNameSpecifiers(t *testing.T) {
	for name, want := range map[string]string{
		"web.service": "web.service web web ", "web@a-b.timer": "web@a-b.timer web@a-b web a-b", "x-y.target": "x-y.target x-y x-y ",
	} {
		if got, ok := NameSpecifiers(name).Expand("%n %N %p %i"); !ok || got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
