package decide

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"stackpolicy/internal/lazyregexp"

	"go.yaml.in/yaml/v3"
)

// yamlLine is how yaml says where: "yaml: line 3: …" or "line 3: …".
var yamlLine = lazyregexp.New(`^(?:yaml: )?line (\d+): (.*)$`)

// yamlUnknown is how yaml says that KnownFields met an unknown key.
var yamlUnknown = lazyregexp.New(`^field (\S+) (not found|already set) in type decide\.(\w+)$`)

func addYAMLError(err error, refusal *Refusal) {
	texts := []string{err.Error()}
	if typeErr := new(yaml.TypeError); errors.As(err, &typeErr) {
		texts = typeErr.Errors
	}
	for _, text := range texts {
		line := 0
		if m := yamlLine.Get().FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1])
			text = m[2]
		}
		refusal.add(settingsFile, line, "%s", inOurWords(text))
	}
}

// inOurWords says what yaml says without the names of Go types, and what would
// be right.
func inOurWords(text string) string {
	if before, ok := strings.CutSuffix(text, " into time.Duration"); ok {
		return before + " into a duration; want for example 90s, 15m or 24h"
	}
	m := yamlUnknown.Get().FindStringSubmatch(text)
	switch {
	case m == nil:
		return text
	case m[2] == "already set":
		return fmt.Sprintf("key %q is given twice", m[1])
	}
	return fmt.Sprintf("unknown key %q; %s", m[1], oneOf(keysOf(m[3])))
}

// keysOf lists the keys of a part of settings.yaml by the name of its type.
func keysOf(name string) []string {
	var keys []string
	for _, part := range []any{settingsDoc{}, Settings{}, Budget{}, Breaker{}, Repeat{}, WaiverSetting{}} {
		t := reflect.TypeOf(part)
		for i := range t.NumField() {
			if key := t.Field(i).Tag.Get("yaml"); t.Name() == name && key != "" {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// problem refuses at the line of a setting, "waivers.2.until", or of what
// comes closest above it.
func (doc *settingsDoc) problem(refusal *Refusal, path, format string, args ...any) {
	refusal.add(settingsFile, doc.line(path), "%s: %s", path, fmt.Sprintf(format, args...))
}

func (doc *settingsDoc) line(path string) int {
	if len(doc.root.Content) == 0 {
		return 0
	}
	node, line := doc.root.Content[0], 0
	for _, key := range append([]string{"settings"}, strings.Split(path, ".")...) {
		child, at := childOf(node, key)
		if child == nil {
			break
		}
		node, line = child, at
	}
	return line
}

// childOf is what stands under a key or an index, and the line where it begins.
func childOf(node *yaml.Node, key string) (child *yaml.Node, line int) {
	switch node.Kind {
	case yaml.AliasNode:
		return childOf(node.Alias, key)
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i < len(node.Content) {
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
