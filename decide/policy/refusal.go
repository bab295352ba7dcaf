package policy

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// maxProblems bounds how many problems a refusal prints.
const maxProblems = 20

// Problem is one thing wrong with a policy folder.
type Problem struct {
	File string // relative to the folder; empty when it is about the folder
	Line int    // 1 is the first; 0 when it is about the whole file
	Text string // what is wrong; what would be right
}

// Refusal is why [Load] refuses a policy folder: every problem found, sorted
// by file and line.
type Refusal struct {
	Problems []Problem
	name     string
}

// NewRefusal returns one without problems. The name is put before file names.
func NewRefusal(name string) *Refusal { return &Refusal{name: name} }

// Error lists the problems one a line, as file:line: text, at most 20 of them.
func (r *Refusal) Error() string {
	var lines []string
	for i, p := range r.Problems {
		if i == maxProblems {
			lines = append(lines, fmt.Sprintf("and %d more", len(r.Problems)-i))
			break
		}
		lines = append(lines, r.line(p))
	}
	return strings.Join(lines, "\n")
}

func (r *Refusal) line(p Problem) string {
	where := path.Join(r.name, p.File)
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", where, p.Line)
	}
	if where == "" {
		return p.Text
	}
	return where + ": " + p.Text
}

// Add adds a problem. An empty file is the folder, line 0 the whole file.
func (r *Refusal) Add(file string, line int, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{File: file, Line: line, Text: fmt.Sprintf(format, args...)})
}

// has reports whether a problem is already known there, so that a later stage
// does not repeat it in other words.
func (r *Refusal) has(file string, line int) bool {
	return slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.File == file && p.Line == line })
}

// Err returns the refusal with its problems sorted and free of repeats, or
// nil when there are none.
func (r *Refusal) Err() error {
	if len(r.Problems) == 0 {
		return nil
	}
	slices.SortFunc(r.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
	})
	r.Problems = slices.Compact(r.Problems)
	return r
}

// OneOf lists the known names of a kind for an error's second half.
func OneOf[T ~string](known []T) string {
	if len(known) == 0 {
		return "known: none"
	}
	return "known: " + strings.Join(Texts(known), ", ")
}

// Texts returns typed words as plain strings.
func Texts[T ~string](words []T) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return list
}
