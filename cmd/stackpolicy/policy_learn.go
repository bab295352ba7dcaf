package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide/confined"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/text"
	"stackpolicy/learn"
)

// policyLearn is the command policy learn.
type policyLearn struct {
	policySource
	learn.Options
	at  string
	dir string
}

func policyLearnCommand() *cobra.Command {
	l := &policyLearn{}
	cmd := &cobra.Command{
		Use:   "learn --at TIME [UNIT]",
		Short: "Make a test of what a recorded audit saw",
		Long: `Writes the recorded facts of the audit at TIME as a fixture: the unit, or every
managed one, and what else the rules read of the document. The names of the account,
of the host and of the home are replaced; with --rename-unit that of the unit too.
Beside it is a Rego test: it passes if the rules find what they found then, and if they
found nothing it fails until one does. With --rule there is a stub of a rule too, with
its test and runbook. No file is written over.

The files go to the folder of --policy, or of the configuration, or to --dir. Read the
fixture before you give it to others: it has more than names.`,
		Example: "  stackpolicy policy learn --at 2h web --rule web_answers --dir ./rules",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return errors.New("learn takes one unit at most")
			}
			return nil
		},
	}
	l.policyFlag(cmd)
	cmd.Flags().StringVar(&l.at, "at", "", "the time of the audit, such as 2026-05-04T03:00:00Z, or how long ago, such as 2h")
	cmd.Flags().StringVar(&l.Rule, "rule", "", "id of a rule of which to write a stub")
	cmd.Flags().StringVar(&l.dir, "dir", "", "folder to write to")
	cmd.Flags().BoolVar(&l.RenameUnit, "rename-unit", false, "replace the unit's name too")
	_ = cmd.MarkFlagDirname("dir")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		l.Subject = strings.Join(args, "")
		return l.run(cmd.Context(), cmd.OutOrStdout(), time.Now())
	}
	return cmd
}

func (l *policyLearn) run(ctx context.Context, w io.Writer, now time.Time) error {
	at, err := timeOf(l.at, now)
	if err != nil {
		return err
	}
	c, err := cli.ReadConfig()
	if err != nil {
		return err
	}
	dir := cmp.Or(l.dir, l.policySource.dir(c))
	if dir == "" {
		return errors.New("name the folder to write to: --dir, --policy, or policies in config.yaml")
	}
	doc, err := recordedAt(ctx, at)
	if err != nil {
		return err
	}
	if l.Subject != "" && l.Subject != finding.Host && !strings.Contains(l.Subject, ".") {
		l.Subject += ".service"
	}
	p, err := l.loadPolicies(ctx, c)
	if err != nil {
		return err
	}
	source, err := l.open()
	if err != nil {
		return err
	}
	lesson, err := learn.Learn(ctx, doc, p, source, l.Options, confined.Test)
	if err != nil {
		return err
	}
	if err := writeLesson(dir, lesson.Files); err != nil {
		return err
	}
	return l.say(w, dir, doc, lesson)
}

// say writes what was learned, and where it is.
func (l *policyLearn) say(w io.Writer, dir string, doc *facts.Document, lesson learn.Lesson) error {
	fmt.Fprintf(w, "The audit of %s, and %s of the rules about %s.\n", doc.CollectedAt.Format(time.RFC3339),
		text.Count(len(lesson.Found), "finding", "findings"), text.Clean(cmp.Or(l.Subject, "everything")))
	for _, f := range lesson.Files {
		fmt.Fprintf(w, "wrote %s\n", text.Clean(filepath.Join(dir, f.Name)))
	}
	if lesson.Whole {
		fmt.Fprintln(w, "The document is whole: cut, the rules would decide otherwise.")
	}
	if len(lesson.Names) > 0 {
		fmt.Fprintf(w, "These names are still in it, as they mean other things too: %s\n", text.Clean(strings.Join(lesson.Names, ", ")))
	}
	if len(lesson.Found) == 0 && l.Rule == "" {
		fmt.Fprintln(w, "The rules missed it: the test fails until one finds it. --rule ID writes a stub of one.")
	}
	_, err := fmt.Fprintf(w, "Next: stackpolicy policy test --policy %s\n", text.Clean(dir))
	return err
}

// timeOf reads a time, or how long ago it was.
func timeOf(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return now, errors.New("name the time of the audit: --at 2026-05-04T03:00:00Z, or --at 2h")
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	ago, err := text.ParseSpan(s)
	if err != nil {
		return now, fmt.Errorf("--at %q is neither a time such as 2026-05-04T03:00:00Z nor how long ago it was, such as 2h", s)
	}
	return now.Add(-ago), nil
}

// maxLearned bounds how many series of audits are searched.
const maxLearned = 100_000

// recordedAt returns the facts of the last audit at the time, or before it.
func recordedAt(ctx context.Context, at time.Time) (*facts.Document, error) {
	store, err := openRecording(ctx, "")
	if err != nil {
		return nil, err
	}
	defer store.Close()
	spans, err := store.Audits(ctx, time.Time{}, maxLearned)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(spans, func(s history.AuditSpan) bool { return s.Began() && !s.From.After(at) })
	if i < 0 {
		return nil, fmt.Errorf("no audit was recorded at or before %s; see stackpolicy history", at.UTC().Format(time.RFC3339))
	}
	if spans[i].To.Before(at) {
		at = spans[i].To
	}
	doc, err := store.Document(ctx, spans[i].DocumentDigest, at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the facts of the audit of %s are no longer kept", at.UTC().Format(time.RFC3339))
	}
	return doc, err
}

// writeLesson writes files to a folder. If one of them is there already, none is written.
func writeLesson(dir string, files []policy.File) error {
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.Name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s exists already; nothing was written", filepath.Join(dir, f.Name))
		}
	}
	for i, f := range files {
		if err := writeNew(filepath.Join(dir, f.Name), string(f.Text)); err != nil {
			for _, written := range files[:i] {
				_ = os.Remove(filepath.Join(dir, written.Name))
			}
			return err
		}
	}
	return nil
}
