package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMdocText(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"a sentence on each line": {"One. Two! Three? no.", "One.\nTwo!\nThree? no.\n"},
		"paragraphs":              {"one\n\ntwo\n", "one\n.Pp\ntwo\n"},
		"literal":                 {"run:\n\n  stackpolicy eval\n  stackpolicy status\n\nthen", "run:\n.Bd -literal -offset indent\nstackpolicy eval\nstackpolicy status\n.Ed\n.Pp\nthen\n"},
		"a table of statuses":     {"Exit status:\n  0  all is well\n  12  bad\n", "Exit status:\n.Bl -tag -width Ds\n.It 0\nAll is well.\n.It 12\nBad.\n.El\n"},
		"looks like a macro":      {".Nm is text", `\&.Nm is text` + "\n"},
		"empty":                   {"", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var p mdoc
			p.text(c.text)
			if d := cmp.Diff(c.want, p.String()); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestEscape: every character of a text appears as it is in the page.
func TestEscape(t *testing.T) {
	for text, want := range map[string]string{
		"plain":      "plain",
		`C:\n`:       `C:\en`,
		"--file -o":  `\-\-file \-o`,
		`"it's"`:     `\(dqit\(aqs\(dq`,
		"`~^`":       `\(ga\(ti\(ha\(ga`,
		".Sh":        `\&.Sh`,
		"UNIT… 文":    `UNIT\[u2026] \[u6587]`,
		"a\u202eb":   `a\[u202E]b`,
		"\U0001f600": `\[u1F600]`,
	} {
		if got := escape(text); got != want {
			t.Errorf("escape(%q) = %q, want %q", text, got, want)
		}
	}
	for word, want := range map[string]string{"Nm": `\&Nm`, "Sh": `\&Sh`, "eval": "eval", "…": `\[u2026]`} {
		if got := arg(word); got != want {
			t.Errorf("arg(%q) = %q, want %q", word, got, want)
		}
	}
}

// TestLongLinesAreCut: at blanks, and no word is lost.
func TestLongLinesAreCut(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 60))
	var p mdoc
	p.prose(long)
	lines := strings.Split(strings.TrimSpace(p.String()), "\n")
	for _, line := range lines {
		if len(line) > maxLine {
			t.Errorf("%d bytes: %s", len(line), line)
		}
	}
	if got := strings.Join(lines, " "); got != long || len(lines) < 4 {
		t.Errorf("%d lines: %s", len(lines), got)
	}
	one := strings.Repeat("x", maxLine+10)
	if head, tail := cutLine(one + " y"); head != one+" y" || tail != "" {
		t.Errorf("a word that is too long was cut: %q, %q", head, tail)
	}
}
