package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"stackpolicy/decide/policy"
)

func folderOf(files ...string) policy.Source {
	s := policy.Source{Name: "rules"}
	for _, f := range files {
		name, text, _ := strings.Cut(f, "=")
		s.Files = append(s.Files, policy.File{Name: name, Text: []byte(text)})
	}
	return s
}

// TestWatch: each element is what a look at the folder finds.
func TestWatch(t *testing.T) {
	gone := errors.New("open the policies: it is gone")
	for name, c := range map[string]struct {
		looks []any // policy.Source, or the error
		want  string
	}{
		"no change":                {[]any{folderOf("a=1"), folderOf("a=1"), folderOf("a=1")}, "run a=1\n"},
		"a change":                 {[]any{folderOf("a=1"), folderOf("a=2"), folderOf("a=2"), folderOf("a=2")}, "run a=1\n\nchanged: a\nrun a=2\n"},
		"written in steps":         {[]any{folderOf("a=1"), folderOf("a="), folderOf("a=2"), folderOf("a=2")}, "run a=1\n\nchanged: a\nrun a=2\n"},
		"changed and changed back": {[]any{folderOf("a=1"), folderOf("a=2"), folderOf("a=1"), folderOf("a=1")}, "run a=1\n"},
		"added and removed":        {[]any{folderOf("a=1"), folderOf("b=1"), folderOf("b=1")}, "run a=1\n\nchanged: a, b\nrun b=1\n"},
		"gone and back":            {[]any{folderOf("a=1"), gone, gone, folderOf("a=1")}, "run a=1\nerror: " + gone.Error() + "\n\nchanged: the folder is there again\nrun a=1\n"},
		"a run that fails":         {[]any{folderOf("a=bad"), folderOf("a=1"), folderOf("a=1")}, "run a=bad\nerror: no\n\nchanged: a\nrun a=1\n"},
		"many":                     {[]any{folderOf(), folderOf("a", "b", "c", "d", "e", "f\x1b"), folderOf("a", "b", "c", "d", "e", "f\x1b")}, "run \n\nchanged: a, b, c, d, e and 1 more\nrun a= b= c= d= e= f\x1b=\n"},
		"a hostile name":           {[]any{folderOf(), folderOf("f\x1b"), folderOf("f\x1b")}, "run \n\nchanged: f\\x1b\nrun f\x1b=\n"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var out bytes.Buffer
			at := -1
			err := watcher{
				every: time.Nanosecond, out: &out, errs: &out,
				open: func() (policy.Source, error) {
					at++
					if at == len(c.looks)-1 {
						defer cancel() // after this look
					}
					if err, ok := c.looks[min(at, len(c.looks)-1)].(error); ok {
						return policy.Source{}, err
					}
					return c.looks[min(at, len(c.looks)-1)].(policy.Source), nil
				},
				run: func(s policy.Source) error {
					var files []string
					for _, f := range s.Files {
						files = append(files, fmt.Sprintf("%s=%s", f.Name, f.Text))
					}
					fmt.Fprintf(&out, "run %s\n", strings.Join(files, " "))
					if strings.Contains(strings.Join(files, " "), "bad") {
						return errors.New("no")
					}
					return nil
				},
			}.watch(ctx)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(regexp.MustCompile(`\d\d:\d\d:\d\d  `).ReplaceAllString(out.String(), ""), "stackpolicy: ", "error: ")
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
