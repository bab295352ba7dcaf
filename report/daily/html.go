package daily

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html impact.html page.css
var pages embed.FS

// WriteHTML writes the report as one page that needs nothing else: no script, no
// font, no image, no request.
func WriteHTML(w io.Writer, m Model) error {
	t, err := template.New("page.html").Funcs(template.FuncMap{"parts": parts, "pathSteps": pathSteps, "cells": func() int { return cells }}).
		ParseFS(pages, "page.html", "page.css")
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, m); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	_, err = w.Write(out.Bytes())
	return err
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
