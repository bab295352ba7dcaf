package report

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/decide/policy"
	"stackpolicy/finding"
)

func TestInvariantsAsJSON(t *testing.T) {
	list := []policy.Invariant{
		{ID: "loaded_is_current", Title: "what is loaded is what is on disk", Class: "provenance", Severity: "ticket",
			Needs: []string{"units.files"}, Actions: []finding.Action{finding.DaemonReload}, File: "invariants/a.rego", Line: 12},
		{ID: "bare", Title: "a\x1b[2Jb"},
	}
	var out bytes.Buffer
	origins := policy.Origins{Missing: []string{"no_orphans"}, ByID: map[string]policy.Origin{
		"loaded_is_current": {From: policy.FromReplaced, Since: policy.SinceUnknown},
	}}
	if err := writeInvariantsJSON(&out, Invariants{List: list, Origins: origins}); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"schema": "stackpolicy.invariants/v1", "invariants": []any{
		map[string]any{"id": "loaded_is_current", "title": "what is loaded is what is on disk", "description": "", "class": "provenance",
			"origin": "replaced", "builtin": "unknown", "scope": "host",
			"severity": "ticket", "needs": []any{"units.files"}, "actions": []any{"daemon-reload"}, "file": "invariants/a.rego", "line": 12.0},
		map[string]any{"id": "bare", "title": "a\x1b[2Jb", "description": "", "class": "", "severity": "", "scope": "host",
			"needs": []any{}, "actions": []any{}, "file": "", "line": 0.0},
	}, "missing": []any{"no_orphans"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if bytes.ContainsRune(out.Bytes(), '\x1b') {
		t.Errorf("a control character is written as it is: %q", out.String())
	}
}
