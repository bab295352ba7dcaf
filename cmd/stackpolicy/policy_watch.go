package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/internal/text"
)

// watchInterval is how often a watched folder is read. It is a few dozen small files.
const watchInterval = 500 * time.Millisecond

// longestChange is how many changed files are named.
const longestChange = 5

// watcher runs something again after each change of policies.
type watcher struct {
	open      func() (policy.Source, error)
	run       func(policy.Source) error
	every     time.Duration
	out, errs io.Writer
}

// watch runs once, and again after each change, until ctx ends, which is no error. A change
// counts when the folder is the same twice: an editor may write a file in several steps.
func (w watcher) watch(ctx context.Context) error {
	var last, before []policy.File
	failed, first := "", true
	for ; ; w.wait(ctx) {
		if ctx.Err() != nil {
			return nil
		}
		opened, err := w.open()
		if err != nil {
			if failed != err.Error() {
				failed = err.Error()
				fmt.Fprintf(w.errs, "stackpolicy: %s\n", text.CleanBlock(failed))
			}
			continue
		}
		changed, settled := changes(last, opened.Files), first || len(changes(before, opened.Files)) == 0
		before = opened.Files
		if !first && failed == "" && len(changed) == 0 || !settled {
			continue
		}
		if !first {
			fmt.Fprintf(w.out, "\n%s  changed: %s\n", time.Now().Format(time.TimeOnly), changeText(changed))
		}
		last, failed, first = opened.Files, "", false
		if err := w.run(opened); err != nil && ctx.Err() == nil {
			fmt.Fprintf(w.errs, "stackpolicy: %s\n", text.CleanBlock(err.Error()))
		}
	}
}

func (w watcher) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(w.every):
	}
}

// changes names the files that were added, changed or removed. Both lists are sorted by name.
func changes(before, after []policy.File) (names []string) {
	texts := map[string][]byte{}
	for _, f := range before {
		texts[f.Name] = f.Text
	}
	for _, f := range after {
		old, existed := texts[f.Name]
		if !existed || !bytes.Equal(old, f.Text) {
			names = append(names, f.Name)
		}
		delete(texts, f.Name)
	}
	for name := range texts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func changeText(names []string) string {
	if len(names) == 0 {
		return "the folder is there again"
	}
	rest := ""
	if more := len(names) - longestChange; more > 0 {
		names, rest = names[:longestChange], fmt.Sprintf(" and %d more", more)
	}
	return text.Clean(strings.Join(names, ", ")) + rest
}
