// Package strictyaml reads configuration files that people write: one YAML
// document, no key that its type does not have, and every problem with its line.
//
// Start at [Decode].
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"stackpolicy/internal/lazyregexp"
)

// Problem is one thing wrong with a file.
type Problem struct {
	Line int // 1 is the first; 0 when it is about the whole file
	Text string
}

// Problems is an error with everything that is wrong with a file.
type Problems []Problem

// Error lists the problems one a line, as "line 3: text".
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Text
		if problem.Line > 0 {
			lines[i] = fmt.Sprintf("line %d: %s", problem.Line, problem.Text)
		}
	}
	return strings.Join(lines, "\n")
}

// Document knows the lines of a file that was decoded. Its zero value is an
// empty file.
type Document struct{ root yaml.Node }

// Decode fills into, a pointer to a struct, from content. An empty file changes
// nothing. The keys of a struct are those that yaml's tags name. An error is
// [Problems]; into is then filled as far as possible.
func Decode(content []byte, into any) (Document, error) {
	var doc Document
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&doc.root); errors.Is(err, io.EOF) {
		return doc, nil
	} else if err != nil {
		return doc, problemsOf(err, new(checker).keyAt)
	}
	keys := checker{keys: map[place]string{}}
	keys.check(&doc.root, reflect.TypeOf(into), "")
	problems := keys.problems
	if err := doc.root.Decode(into); err != nil {
		problems = append(problems, problemsOf(err, keys.keyAt)...)
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
	if !errors.Is(decoder.Decode(new(any)), io.EOF) {
		problems = append(problems, Problem{Text: "more than one YAML document; keep the first"})
	}
	if len(problems) > 0 {
		return doc, problems
	}
	return doc, nil
}

// Line returns the line of the value at a path of keys and indexes, or of the
// closest parent that exists; 0 in an empty file.
func (d Document) Line(path ...string) int {
	if len(d.root.Content) == 0 {
		return 0
	}
	node, line := d.root.Content[0], 0
	for _, key := range path {
		child, at := childOf(node, key)
		if child == nil {
			break
		}
		node, line = child, at
	}
	return line
}

// childOf returns the value at a key or an index, and the line where it begins.
func childOf(node *yaml.Node, key string) (child *yaml.Node, line int) {
	switch node.Kind {
	case yaml.AliasNode:
		return childOf(node.Alias, key)
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && 0 <= i && i < len(node.Content) {
			return node.Content[i], node.Content[i].Line
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == key {
				return node.Content[i+1], node.Content[i].Line
			}
		}
	}
	return nil, 0
}

var (
	// inLine is how yaml names a line: "yaml: line 3: …" or "line 3: …".
	inLine = lazyregexp.New(`^(?:yaml: )?line (\d+): ((?s).*)$`)
	// wrongType is how yaml refuses a value, by the name of a Go type.
	wrongType = lazyregexp.New("^cannot unmarshal !!\\w+(?: (`(?s).*`))? into (.+)$")
)

// problemsOf splits yaml's error into problems. keyAt finds the key that one is about.
func problemsOf(err error, keyAt func(line int, goType, value string) string) (problems Problems) {
	texts := []string{err.Error()}
	if wrong := new(yaml.TypeError); errors.As(err, &wrong) {
		texts = wrong.Errors
	}
	for _, text := range texts {
		p := Problem{Text: strings.TrimPrefix(text, "yaml: ")}
		if m := inLine.Get().FindStringSubmatch(text); m != nil {
			p.Line, _ = strconv.Atoi(m[1])
			p.Text = m[2]
		}
		if m := wrongType.Get().FindStringSubmatch(p.Text); m != nil {
			p.Text = wanted(m[1], m[2])
			if key := keyAt(p.Line, m[2], m[1]); key != "" {
				p.Text = key + ": " + p.Text
			}
		}
		problems = append(problems, p)
	}
	return problems
}

// wanted says which value is expected, without the name of a Go type.
func wanted(value, goType string) string {
	kind := "keys with values, such as a: b"
	switch {
	case goType == "time.Duration":
		kind = "a duration such as 90s, 15m or 24h"
	case goType == "string":
		kind = "a text"
	case goType == "bool":
		kind = "true or false"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		kind = "a whole number in range"
	case strings.HasPrefix(goType, "[]"):
		kind = "a list such as [a, b]"
	}
	if value == "" {
		return "want " + kind
	}
	return "want " + kind + ", got " + value
}
