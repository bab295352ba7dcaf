package history

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

// noon is the time at which most tests begin.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// opened returns a history in a temporary folder.
func opened(t testing.TB) (*Store, string) {
	t.Helper()
	home := t.TempDir()
	return reopened(t, home), home
}

func reopened(t testing.TB, home string) *Store {
	t.Helper()
	s, err := Open(t.Context(), home, noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// document returns a recorded document, with its managed units copied under new names until
// there are n.
func document(t testing.TB, n int) *facts.Document {
	t.Helper()
	f, err := os.Open("../testdata/facts/good.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := facts.Read(f.Name(), f)
	if err != nil {
		t.Fatal(err)
	}
	originals := []facts.Unit{}
	for _, u := range doc.Units {
		if u.IsManaged() {
			originals = append(originals, u)
		}
	}
	doc.Units = []facts.Unit{}
	for i := range n {
		doc.Units = append(doc.Units, renamed(t, originals[i%len(originals)], fmt.Sprintf("u%03d", i)))
	}
	return doc
}

// renamed copies a unit, with other names and digests everywhere.
func renamed(t testing.TB, u facts.Unit, name string) (out facts.Unit) {
	t.Helper()
	text, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	stem, _, _ := strings.Cut(u.Name, ".")
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), stem, name)), &out); err != nil {
		t.Fatal(err)
	}
	for i := range out.Files {
		out.Files[i].Digest = fmt.Sprintf("sha256:%064x", i) + name
	}
	return out
}

// copied returns a deep copy of a document.
func copied(t testing.TB, doc *facts.Document) *facts.Document {
	t.Helper()
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	out := &facts.Document{}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// audited returns an audit of a document with these findings.
func audited(doc *facts.Document, at time.Time, findings ...finding.Finding) Audit {
	return Audit{At: at, Mode: "enforce", PolicyDigest: "sha256:policies", DurationMS: 40, Document: doc, Findings: findings}
}

// broken returns a finding with the given case.
func broken(invariant, subject, kind string) finding.Finding {
	return finding.Finding{
		Invariant: invariant, Subject: subject, Effect: finding.Block, Severity: finding.Page,
		Message: subject + " is broken", Evidence: map[string]any{"case": kind},
	}
}

// recorded records an audit; an error fails the test.
func recorded(t testing.TB, s *Store, a Audit) Changes {
	t.Helper()
	changes, err := s.Record(context.WithoutCancel(t.Context()), a)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// must returns a value; an error fails the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
