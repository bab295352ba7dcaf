package output_test

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"stackpolicy/internal/output"
)

func formats() []output.Format[string] {
	write := func(prefix string) func(io.Writer, string) error {
		return func(w io.Writer, s string) error {
			_, err := io.WriteString(w, prefix+s)
			return err
		}
	}
	return []output.Format[string]{{"plain", write("")}, {"marked", write("> ")}}
}

func TestNamed(t *testing.T) {
	f, err := output.Named(formats(), "marked")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := f.Write(&out, "a"); err != nil || out.String() != "> a" {
		t.Errorf("wrote %q, %v", out.String(), err)
	}
	if got := output.Names(formats()); !slices.Equal(got, []string{"plain", "marked"}) {
		t.Errorf("names %q", got)
	}
}

// TestTable: the name that the format text had before still works, where there is that format.
func TestTable(t *testing.T) {
	text := []output.Format[string]{{Name: "json"}, {Name: "text"}}
	if f, err := output.Named(text, "table"); err != nil || f.Name != "text" {
		t.Errorf("got %q, %v", f.Name, err)
	}
	if f, err := output.Named(formats(), "table"); err == nil {
		t.Errorf("without such a format: %q", f.Name)
	}
}

func TestUnknownNameListsTheKnown(t *testing.T) {
	for _, name := range []string{"", "Plain", "plai", "yaml"} {
		_, err := output.Named(formats(), name)
		if err == nil || !strings.HasSuffix(err.Error(), "known: plain, marked") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
