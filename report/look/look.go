// Package look is what the pages have in common: their style, which parts of texts are commands,
// the bounds of texts from outside, and strips, which show a state over time.
//
// Start at [Write].
package look

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"strings"
)

//go:embed look.css look.html
var files embed.FS

// Write writes a page: the template of a name in a file system, with other templates of it, and
// with those of this package: look.css (its style), text (words with commands in backticks), path
// (a name that may be broken after each slash) and more (how many are left out). The functions
// parts, pathSteps and cells are there, and those that are given.
func Write(w io.Writer, pages fs.FS, funcs template.FuncMap, data any, name string, others ...string) error {
	all := template.FuncMap{"parts": parts, "pathSteps": pathSteps, "cells": func() int { return Cells }}
	maps.Copy(all, funcs)
	t, err := template.New(name).Funcs(all).ParseFS(files, "look.css", "look.html")
	if err == nil {
		t, err = t.ParseFS(pages, append([]string{name}, others...)...)
	}
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	_, err = w.Write(out.Bytes())
	return err
}

// Style returns the style of all pages.
func Style() string {
	style, err := files.ReadFile("look.css")
	if err != nil {
		panic(err) // it is embedded
	}
	return string(style)
}

// pathSteps cuts a text after each slash: a path may be broken there, and nowhere else if it fits.
func pathSteps(s string) []string { return strings.SplitAfter(s, "/") }

// part is a piece of a text: a command, or words.
type part struct {
	Text string
	Code bool
}

// parts separates commands, in backticks, from the words around them. A backtick
// without a pair belongs to the words.
func parts(s string) []part {
	pieces := strings.Split(s, "`")
	if last := len(pieces) - 1; last%2 == 1 {
		pieces = append(pieces[:last-1], pieces[last-1]+"`"+pieces[last])
	}
	var out []part
	for i, p := range pieces {
		if p != "" {
			out = append(out, part{p, i%2 == 1})
		}
	}
	return out
}
