package decide

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

func load(t *testing.T, fsys fstest.MapFS, opts Options) *Policies {
	t.Helper()
	p, err := Load(context.Background(), fsys, opts)
	if err != nil {
		t.Fatalf("load:\n%v", err)
	}
	return p
}

func decide(t *testing.T, p *Policies, doc *facts.Document) []finding.Finding {
	t.Helper()
	result, err := p.Decide(context.Background(), doc)
	if err != nil {
		t.Fatal(err)
	}
	return result.Decisions
}

// document is a sound document with the named units, all loaded.
func document(names ...string) *facts.Document {
	doc := &facts.Document{
		Schema:      facts.Schema,
		CollectedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Collectors:  map[string]facts.CollectorStatus{},
		Host:        &facts.Host{Name: "h"},
		User:        &facts.User{Name: "u"},
		Manager:     &facts.Manager{State: "running"},
		Declared:    &facts.Declared{},
		Podman:      &facts.Podman{},
		History:     &facts.HostHistory{},
	}
	for _, name := range []string{"user", "systemd", "home-manager", "files", "applied", "podman", "history"} {
		doc.Collectors[name] = facts.CollectorStatus{OK: true}
	}
	for _, name := range names {
		doc.Units = append(doc.Units, facts.Unit{
			Name: name, ManagedBy: "home-manager",
			Loaded: &facts.Loaded{LoadState: "loaded"}, Reload: &facts.Reload{}, History: &facts.History{},
		})
	}
	return doc
}

// shape writes decisions, one a line, for comparing.
func shape(decisions []finding.Finding) string {
	var lines []string
	for _, d := range decisions {
		lines = append(lines, strings.TrimRight(strings.Join([]string{d.Subject, string(d.Effect), string(d.Severity), d.Message}, " | "), " "))
	}
	return strings.Join(lines, "\n")
}
