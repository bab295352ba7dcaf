package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"stackpolicy/config"
	"stackpolicy/stack"
)

// isUpdate reports whether -update is given: write the generated part of
// docs/stackctl.md. A library of the engine defines that flag already.
func isUpdate() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

const (
	page  = "../../docs/stackctl.md"
	begin = "<!-- outcomes: written by go test ./cmd/stackctl -update -->\n"
	end   = "<!-- end of outcomes -->\n"
)

// TestOutcomesAreDocumented: the reference page has the table that the outcomes
// make.
func TestOutcomesAreDocumented(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s lacks %q or %q", page, begin, end)
	}
	want := []byte(before + begin + outcomeTable() + end + after)
	if isUpdate() {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(text, want) {
		t.Errorf("%s is not what the outcomes say; run: go test ./cmd/stackctl -update", page)
	}
}

func outcomeTable() string {
	priorities := map[int]string{3: "err", 4: "warning", 6: "info"}
	var b strings.Builder
	b.WriteString("| status | outcome | meaning | `MESSAGE_ID` | priority |\n|---|---|---|---|---|\n")
	for _, o := range stack.Outcomes() {
		id, priority := "", ""
		if o.MessageID != "" {
			id, priority = "`"+o.MessageID+"`", fmt.Sprintf("%d (%s)", o.Priority, priorities[o.Priority])
		}
		fmt.Fprintf(&b, "| %d | `%s` | %s | %s | %s |\n", o.Status, o.Name, o.Meaning, id, priority)
	}
	return b.String()
}

// TestKeysAreDocumented: the page has a line for each key of a stack.
func TestKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range append(keysOf(reflect.TypeFor[config.Stack](), ""), "path", "mode", "owner") {
		if n := strings.Count(string(text), "\n| `"+key+"` |"); n != 1 {
			t.Errorf("%s has %d lines about the key %s, want one", page, n, key)
		}
	}
}

func keysOf(t reflect.Type, prefix string) (keys []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		key := prefix + f.Tag.Get("yaml")
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, keysOf(f.Type, key+".")...)
		} else {
			keys = append(keys, key)
		}
	}
	return keys
}
