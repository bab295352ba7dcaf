package text

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// nasty are strings that are meant to move a cursor, to hide text, or to break
// a format.
var nasty = []string{
	"\x1b[2J\x1b[1;1H all is well",
	"\x1b]0;title\x07",
	"\u009b31m and \x9b31m", // C1, as a rune and as a byte
	"one\ntwo\r\nthree\rfour\ttab\vfeed\f",
	"\u202egpj.exe \u2066isolated\u2069 \u200fright",
	"bad \xff\xfe\xc3( bytes",
	"zero\u200bwidth\u200djoiner\ufeff soft\u00adhyphen",
	"filler\u3164\u115f\uffa0 variation\ufe0f tag\U000e0041",
	"line\u2028separator\u2029paragraph\u0085next",
	"wide 没有这样的文件或目录没有这样的文件或目录没有这样的文件或目录没有这样的文件或目录没有这样的文件或目录 end",
	"wide without a space:没有这样的文件或目录没有这样的文件或目录没有这样的文件或目录没有这样的文件或目录",
	strings.Repeat("a-very-long-word-", 12),
	"`an unclosed command that is long enough to be broken somewhere, is it not, or is it",
	"\x7fdelete\x00null",
	"%s %d %!v(MISSING)",
}

func TestClean(t *testing.T) {
	cases := map[string]struct{ in, want string }{
		"plain":           {"web.service: ok", "web.service: ok"},
		"other scripts":   {"größe 文件 файл", "größe 文件 файл"},
		"escape":          {"\x1b[31m", `\x1b[31m`},
		"newline":         {"a\nb\r\tc", `a\x0ab\x0d\x09c`},
		"C1 rune":         {"\u009b31m", `\u009b31m`},
		"C1 byte":         {"\x9b31m", `\x9b31m`},
		"bidi override":   {"a\u202eb", `a\u202eb`},
		"zero width":      {"a\u200bb\ufeff", `a\u200bb\ufeff`},
		"hangul filler":   {"a\u3164", `a\u3164`},
		"variation":       {"a\ufe0f", `a\ufe0f`},
		"tag":             {"a\U000e0041", `a\ue0041`},
		"no-break space":  {"a\u00a0b", `a\u00a0b`},
		"delete":          {"\x7f", `\x7f`},
		"invalid":         {"\xff", `\xff`},
		"replacement":     {"\ufffd", "\ufffd"},
		"combining":       {"e\u0301", "e\u0301"},
		"systemd's own":   {`dev-disk-by\x2duuid.device`, `dev-disk-by\x2duuid.device`},
		"a cut-off rune":  {"a\xe6\x96", `a\xe6\x96`},
		"nothing":         {"", ""},
		"blanks are kept": {"a  b ", "a  b "},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Clean(c.in); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if !utf8.ValidString(got) {
			t.Errorf("Clean(%q) is no valid UTF-8: %q", s, got)
		}
		for _, r := range got {
			if r != ' ' && !IsVisible(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("Clean(%q) holds %U", s, r)
			}
		}
		if again := Clean(got); again != got {
			t.Errorf("Clean of %q is %q", got, again)
		}
	})
}

// FuzzWrap: nothing is lost, and only single words and commands are too wide.
func FuzzWrap(f *testing.F) {
	for _, s := range nasty {
		f.Add(s, 40)
	}
	f.Add("run `systemctl --user daemon-reload` and `` then ` again", 20)
	f.Fuzz(func(t *testing.T, s string, room int) {
		s = Clean(s)
		room = 20 + (room&0xff)%100
		squeeze := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		lines := Wrap(s, room)
		if got := strings.Join(lines, ""); squeeze(got) != squeeze(s) {
			t.Errorf("Wrap(%q, %d) = %q", s, room, lines)
		}
		for _, l := range lines {
			if Width(l) > room && strings.Contains(strings.TrimLeft(l, " "), " ") && strings.Count(l, "`") < 2 {
				t.Errorf("Wrap(%q, %d) has the line %q", s, room, l)
			}
		}
	})
}

func TestCleanLines(t *testing.T) {
	const in = "first\x1b \r\n\n\tsecond\n  \nlast"
	if got, want := CleanLines(in), []string{`first\x1b`, "  second", "last"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := CleanLines(" \n"); got != nil {
		t.Errorf("no line: got %q", got)
	}
}

func TestCleanBlock(t *testing.T) {
	if got, want := CleanBlock("one\x07\ntwo\n"), "one\\x07\n  two\n  "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWrap(t *testing.T) {
	cases := map[string]struct {
		in   string
		want []string
	}{
		"nothing":                  {"", []string{""}},
		"fits":                     {"one two three", []string{"one two three"}},
		"breaks at spaces":         {"one two three four", []string{"one two three", "four"}},
		"a long word":              {"a /very/long/path/of/it b", []string{"a", "/very/long/path/of/it", "b"}},
		"a command":                {"please run `a b c d`", []string{"please run", "`a b c d`"}},
		"a command that is long":   {"run `a b c d e f g h` now", []string{"run", "`a b c d e f g h`", "now"}},
		"a backtick of no command": {"it's ` alone here now", []string{"it's ` alone", "here now"}},
		"wide runes":               {"日本語日本語日本語", []string{"日本語日本語", "日本語"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Wrap(c.in, 13); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestWidth(t *testing.T) {
	for in, want := range map[string]int{"": 0, "abc": 3, "größe": 5, "日本": 4, "\x1b[31mred\x1b[0m": 3} {
		if got := Width(in); got != want {
			t.Errorf("%q: got %d, want %d", in, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	for in, want := range map[string]string{"": "", "abc": "abc", "abcd": "abcd", "abcde": "abc…", "ääää": "ääää", "äääää": "äää…"} {
		if got := Clip(in, 4); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 units", 1: "1 unit", 2: "2 units"} {
		if got := Count(n, "unit", "units"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestElapsed(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", 90 * time.Second: "1 min 30 s", 2 * time.Minute: "2 min",
		59*time.Minute + 59*time.Second: "59 min", time.Hour: "1 h", 47*time.Hour + 20*time.Minute: "47 h 20 min",
		48 * time.Hour: "2 d", 75 * time.Hour: "3 d 3 h",
	} {
		if got := Elapsed(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{0: "0 s ago", -time.Hour: "1 h ago", 90 * time.Second: "in 1 min 30 s"} {
		if got := Ago(now, now.Add(d)); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 90 * time.Minute: "1h30m",
		24 * time.Hour: "24h", time.Hour + time.Second: "1h0m1s", 500 * time.Millisecond: "500ms",
	} {
		if got := Brief(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
