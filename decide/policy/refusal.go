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
	File string // relative to the folder; empty if it is about the whole folder
	Line int    // the first is 1; 0 if it is about the whole file
	Text string // what is wrong; what would be right
}

// Refusal is the error for a policy folder with mistakes. It has every problem that was
// found, sorted by file and line.
type Refusal struct {
	Problems []Problem
	name     string
	builtin  map[string]bool // files that are not in the folder
}

// NewRefusal returns a refusal without problems. name is written before file names.
func NewRefusal(name string) *Refusal { return &Refusal{name: name} }

// NewRefusal returns a refusal without problems, for a source.
func (s Source) NewRefusal() *Refusal {
	r := &Refusal{name: s.Name, builtin: map[string]bool{}}
	for _, f := range s.Files {
		r.builtin[f.Name] = f.Builtin
	}
	return r
}

// Error lists the problems, at most 20, one a line, as file:line: text.
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
	if r.builtin[p.File] {
		where = "built-in " + p.File
	}
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", where, p.Line)
	}
	if where == "" {
		return p.Text
	}
	return where + ": " + p.Text
}

// Add adds a problem. An empty file means the folder, line 0 the whole file.
func (r *Refusal) Add(file string, line int, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{File: file, Line: line, Text: fmt.Sprintf(format, args...)})
}

// has reports whether there already is a problem at that place, so that a later stage does
// not repeat it in other words.
func (r *Refusal) has(file string, line int) bool {
	return slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.File == file && p.Line == line })
}

// Err returns the refusal with its problems sorted and without duplicates, or nil if it has
// no problems.
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

// OneOf lists the known names, for the second half of an error.
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
