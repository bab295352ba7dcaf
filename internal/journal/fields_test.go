package journal

import (
	"fmt"
	"strings"
	"testing"
)

func TestMalformedEntries(t *testing.T) {
	many := map[string]string{}
	for i := range maxFields + 1 {
		many[fmt.Sprintf("F%d", i)] = ""
	}
	one := func(name string) Entry { return Entry{Fields: map[string]string{name: "x"}} }
	tests := map[string]struct {
		entry Entry
		want  string
	}{
		"priority":              {Entry{Priority: 8}, "priority 8"},
		"priority below":        {Entry{Priority: -1}, "priority -1"},
		"id too short":          {Entry{MessageID: "abcd"}, "message id"},
		"id with dashes":        {Entry{MessageID: "01234567-89ab-cdef-0123-456789abcdef"}, "message id"},
		"id in upper case":      {Entry{MessageID: strings.ToUpper(id)}, "message id"},
		"id no hexadecimals":    {Entry{MessageID: strings.Repeat("g", 32)}, "message id"},
		"too many fields":       {Entry{Fields: many}, "33 fields"},
		"name empty":            {one(""), "field name"},
		"name trusted":          {one("_PID"), "does not begin with a letter"},
		"name with a digit":     {one("1ST"), "does not begin with a letter"},
		"name with a dash":      {one("A-B"), "field name"},
		"name that injects":     {one("A=x\nB"), "field name"},
		"name not ASCII":        {one("É"), "field name"},
		"name too long":         {one(strings.Repeat("N", maxName+1)), "field name"},
		"name of a part":        {one("message"), "set by another field"},
		"name of the unit":      {one("user_unit"), "set by another field"},
		"name in two spellings": {Entry{Fields: map[string]string{"stack": "a", "STACK": "b"}}, "STACK is there twice"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := Send(test.entry); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}
