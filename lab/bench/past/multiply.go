// Package past makes large inputs for the benchmark from a small recorded document: a
// document with more units ([Multiply]), and a history of many days ([Live]).
package past

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stackpolicy/facts"
)

// Multiply returns a document with n managed units: those of doc, and copies of them with
// new names. Everything else is the same.
func Multiply(doc *facts.Document, n int) (*facts.Document, error) {
	var originals []facts.Unit
	for _, u := range doc.Units {
		if u.IsManaged() {
			originals = append(originals, u)
		}
	}
	if len(originals) == 0 || len(originals) > n {
		return nil, fmt.Errorf("multiply a document: %d managed units cannot become %d", len(originals), n)
	}
	larger := *doc
	larger.Units = slices.Clone(doc.Units)
	for i := len(originals); i < n; i++ {
		copied, err := renamed(originals[i%len(originals)], fmt.Sprintf("-x%05d", i/len(originals)))
		if err != nil {
			return nil, fmt.Errorf("multiply a document: %w", err)
		}
		larger.Units = append(larger.Units, copied)
	}
	slices.SortFunc(larger.Units, func(a, b facts.Unit) int { return strings.Compare(a.Name, b.Name) })
	return &larger, nil
}

// renamed copies a unit and adds a suffix to its name, its stack and its containers, also in
// paths and labels.
func renamed(u facts.Unit, suffix string) (facts.Unit, error) {
	stem, kind, ok := cutLast(u.Name, ".")
	if !ok {
		return u, errors.New("a unit without a type: " + u.Name)
	}
	whole := map[string]string{}
	if u.Stack != "" {
		whole[u.Stack] = u.Stack + suffix
	}
	for _, c := range u.Containers {
		whole[c.ID], whole[c.Name] = c.ID+suffix, c.Name+suffix
	}
	name := stem + suffix + "." + kind
	var copied facts.Unit
	err := throughJSON(u, &copied, func(s string) string {
		if other, ok := whole[s]; ok {
			return other
		}
		return strings.ReplaceAll(s, u.Name, name)
	})
	return copied, err
}

// throughJSON copies a value, and changes every string in it.
func throughJSON(from, to any, change func(string) string) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return err
	}
	if text, err = json.Marshal(changed(tree, change)); err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

func changed(tree any, change func(string) string) any {
	switch v := tree.(type) {
	case string:
		return change(v)
	case []any:
		for i := range v {
			v[i] = changed(v[i], change)
		}
	case map[string]any:
		for k := range v {
			v[k] = changed(v[k], change)
		}
	}
	return tree
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
