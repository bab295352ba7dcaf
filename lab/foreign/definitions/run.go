// Package definitions puts somebody else's quadlets and unit files before podman's generator,
// a real user manager and stackpolicy, and compares what the three say. It never starts
// anything of the files: they are read, at a reload.
//
// Start at [Run].
package definitions

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"stackpolicy/lab/usermanager"
)

// Run judges the quadlets and unit files below a folder, and prints a line for each, those
// that were left out, and a summary. program is the path of stackpolicy.
func Run(ctx context.Context, program string, options usermanager.Options, dir string, out io.Writer) (err error) {
	groups, left, err := gather(dir)
	if err != nil {
		return err
	}
	l, err := Open(ctx, program, options)
	if err != nil {
		return err
	}
	defer func() {
		if closing := l.Close(); err == nil {
			err = closing
		}
	}()
	left = append(left, l.leaveOut(groups)...)
	var total summary
	begin := time.Now()
	for _, round := range rounds(groups) {
		verdicts, err := l.judgeApart(ctx, round, groups, Plain)
		if err != nil {
			return err
		}
		for _, v := range verdicts {
			total.add(v)
			fmt.Fprint(out, l.line(v))
		}
	}
	for _, o := range left {
		fmt.Fprintf(out, "%q: left out: %s\n", o.Path, o.Why)
	}
	total.left = len(left)
	fmt.Fprintf(out, "%s: %s, in %s\n", dir, total, time.Since(begin).Round(time.Second))
	return nil
}

// line is what is printed of a verdict. Names and reasons from outside are quoted.
func (l *Lab) line(v Verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", quoted(v.File))
	switch v.RefusedBy {
	case Nobody:
		fmt.Fprintf(&b, "%s is loaded\n", quoted(v.Unit))
	default:
		fmt.Fprintf(&b, "refused by %s: %s\n", v.RefusedBy, quoted(l.tidy(v.Why)))
	}
	for _, f := range v.Findings {
		fmt.Fprintf(&b, "    stackpolicy: %s\n", f)
	}
	for _, s := range v.Suspect {
		fmt.Fprintf(&b, "    SUSPECT: %s\n", quoted(l.tidy(s)))
	}
	return b.String()
}

// tidy writes the scratch home as ~.
func (l *Lab) tidy(text string) string { return strings.ReplaceAll(text, l.scene.Home, "~") }

// quoted quotes a text if it has characters that a terminal would obey.
func quoted(text string) string {
	if q := fmt.Sprintf("%q", text); strings.ContainsAny(text, "\n\r\x1b") || strings.Contains(q, `\x`) || strings.Contains(q, `\u`) {
		return q
	}
	return text
}

// summary counts verdicts.
type summary struct{ files, loaded, generator, manager, found, suspect, left int }

func (s *summary) add(v Verdict) {
	s.files++
	switch v.RefusedBy {
	case Nobody:
		s.loaded++
	case Generator:
		s.generator++
	case Manager:
		s.manager++
	}
	if len(v.Findings) > 0 {
		s.found++
	}
	if len(v.Suspect) > 0 {
		s.suspect++
	}
}

func (s summary) String() string {
	return fmt.Sprintf("%d files: %d loaded, %d refused by podman's generator, %d by the manager; stackpolicy finds something on %d; %d suspect; %d left out",
		s.files, s.loaded, s.generator, s.manager, s.found, s.suspect, s.left)
}
