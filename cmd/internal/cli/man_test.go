package cli

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// sample is a program with every kind of content that a page can have.
func sample() *cobra.Command {
	run := func(*cobra.Command, []string) {}
	root := &cobra.Command{
		Use: "prog", Short: "Try things out",
		Long: "Tries things. It's \"odd\": .Sh here, 'Sh there, a\\b and ~.\n.Sh starts this line.\n\n  [Unit]\n\tTab=1\n  .Sh NAME\n  'br\n" +
			"\nAnd more.\n\nExit status:\n   0  done; what was asked for\n  12  not done",
	}
	eval := &cobra.Command{Use: "eval [UNIT…]", Short: "Evaluate", Run: run, Example: "  prog eval -o No"}
	eval.Flags().StringP("output", "o", "table", "how to write it")
	eval.Flags().Bool("force", false, "do it. Even so (default: not)")
	secret := &cobra.Command{Use: "secret", Hidden: true, Run: run}
	group := &cobra.Command{Use: "policy", Short: "Group"}
	group.AddCommand(&cobra.Command{Use: "No DIR", Short: "A macro's name", Run: run})
	root.AddCommand(eval, secret, group)
	return root
}

const samplePage = `.Dd January 2, 2026
.Dt PROG 1
.Os prog (devel)\&
.Sh NAME
.Nm prog
.Nd \&try things \&out\&
.Sh SYNOPSIS
.Nm prog Cm eval Oo Ar flag ... Oc Oo Ar UNIT ... Oc
.Nm prog Cm policy Cm \&No Ar \&DIR
.Sh DESCRIPTION
Tries things.
It\(aqs \(dqodd\(dq: .Sh here, \(aqSh there, a\eb and \(ti.
\&.Sh starts this line.
.Bd -literal -offset indent
[Unit]
	Tab=1
\&.Sh NAME
\(aqbr
.Ed
.Pp
And more.
.Sh COMMANDS
.Ss eval [UNIT \&...]\&
Evaluate.
.Bl -tag -width Ds
.It Fl \-force
Do it.
Even so (default: not).
.It Fl \&o , Fl \-output Ar string
How to write it; the default is table.
.El
.Pp
Examples:
.Bd -literal -offset indent
prog eval \-o No
.Ed
.Ss policy \&No \&DIR\&
A macro\(aqs name.
.Sh ENVIRONMENT
.Bl -tag -width Ds
.It Ev HOME
The home \[u2013] yours.
.El
.Sh EXIT STATUS
.Bl -tag -width Ds
.It 0
Done; what was asked for.
.It 12
Not done.
.El
.Sh SEE ALSO
.Xr podman 1 ,
.Xr systemd.unit 5
`

func writeSample(t *testing.T) []byte {
	t.Helper()
	m := Manual{
		Environment: []Entry{{"HOME", "The home – yours."}},
		SeeAlso:     []string{"podman(1)", "systemd.unit(5)"},
	}
	var b bytes.Buffer
	if err := m.write(&b, sample(), "(devel)", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestManPage: texts appear as they are, whatever they contain, and hidden commands do
// not appear.
func TestManPage(t *testing.T) {
	if d := cmp.Diff(samplePage, string(writeSample(t))); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestManPageRenders: groff prints no warnings, no line is wider than a terminal, and
// texts that look like markup can be read.
func TestManPageRenders(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff renders man pages, and is not installed: ", err)
	}
	cmd := exec.CommandContext(t.Context(), groff, "-mdoc", "-Tutf8", "-rLL=78n", "-ww", "-P-c")
	cmd.Stdin = bytes.NewReader(writeSample(t))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("groff: %v: %s", err, errs.String())
	}
	text := overstrike(string(out))
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{`"odd": .Sh here, 'Sh there, a\b and ~.`, "and ~.  .Sh starts", "'br", "[UNIT ...]", "prog policy No DIR", "   policy No DIR\n", "-o, --output string"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// overstrike matches the characters that make letters bold or underlined.
func overstrike(text string) string {
	var out []rune
	for _, r := range text {
		if r == '\b' && len(out) > 0 {
			out = out[:len(out)-1]
			continue
		}
		out = append(out, r)
	}
	return string(out)
}

func TestSourceDate(t *testing.T) {
	cases := map[string]struct {
		epoch, commit, want string
	}{
		"the environment's": {"86400", "2026-01-02T00:00:00Z", "1970-01-02"},
		"the commit's":      {"", "2026-01-02T01:00:00+02:00", "2026-01-01"},
		"neither":           {"", "", ""},
		"not a number":      {"today", "2026-01-02T00:00:00Z", ""},
		"no date":           {"", "today", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := sourceDate(c.epoch, c.commit)
			if (err != nil) != (c.want == "") || err == nil && got.Format(time.DateOnly) != c.want {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}
