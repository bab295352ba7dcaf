package decide

import (
	"context"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"stackpolicy/facts"
)

// metadata is a complete METADATA block for an invariant of one file.
const metadata = `# METADATA
# title: the unit is loaded
# description: A unit that is not loaded does not run.
# schemas:
#   - input: schema.facts
# custom:
#   class: unit
#   severity: page
#   needs: [units.loaded]
#   actions: [daemon-reload, restart]
#   runbook: loaded.md
package stackpolicy.invariants.loaded
`

const rule = `
finding contains {
	"subject": unit.name,
	"effect": "block",
	"message": "not loaded",
	"evidence": {"case": "any"},
} if {
	some unit in input.units
	unit.loaded.load_state != "loaded"
}
`

const runbook = `# loaded

## How to mend

### any

1. Look at {unit}.
`

const (
	ruleFile    = "invariants/loaded/loaded.rego"
	runbookFile = "invariants/loaded/loaded.md"
)

// folder is a policy folder of one sound invariant, with files put over it; a
// file of "" is left out.
func folder(over map[string]string) fstest.MapFS {
	all := map[string]string{ruleFile: metadata + rule, runbookFile: runbook}
	maps.Copy(all, over)
	fsys := fstest.MapFS{}
	for name, text := range all {
		if text != "" {
			fsys[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return fsys
}

// withRule is the folder with other rules below the METADATA.
func withRule(rules string) fstest.MapFS {
	return folder(map[string]string{ruleFile: metadata + "\n" + strings.TrimLeft(rules, "\n")})
}

// withMetadata is the folder with a line of the METADATA replaced.
func withMetadata(old, line string) fstest.MapFS {
	return folder(map[string]string{ruleFile: strings.Replace(metadata, old, line, 1) + rule})
}

func load(t *testing.T, fsys fstest.MapFS, opts Options) *Policies {
	t.Helper()
	p, err := Load(context.Background(), fsys, opts)
	if err != nil {
		t.Fatalf("load:\n%v", err)
	}
	return p
}

func decide(t *testing.T, p *Policies, doc *facts.Document) []Decision {
	t.Helper()
	result, err := p.Decide(context.Background(), doc)
	if err != nil {
		t.Fatal(err)
	}
	return result.Decisions
}

// document is sound, with the units that are named, all loaded.
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

// shape renders decisions one a line, for comparing.
func shape(decisions []Decision) string {
	var lines []string
	for _, d := range decisions {
		lines = append(lines, strings.TrimRight(strings.Join([]string{d.Subject, d.Effect, d.Severity, d.Message}, " | "), " "))
	}
	return strings.Join(lines, "\n")
}
