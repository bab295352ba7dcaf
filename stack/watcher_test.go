package stack

import (
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"stackpolicy/finding"
)

// A manager that was too busy at first is asked again; one that answered is
// not.
func TestWatcherAsksTheManagerAgain(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		watcher := w.watching(w.web(nil), app, at(0, one("app", "running")))
		answered := watcher.doc
		if o := watcher.observe(t.Context()); !o.up || watcher.doc != answered {
			t.Errorf("up: %v (%v %v); the facts were collected again: %v", o.up, o.findings, o.err, watcher.doc != answered)
		}
		answered.Units[0].Loaded = nil
		if o := watcher.observe(t.Context()); o.up || o.err == nil || watcher.doc == answered {
			t.Errorf("up: %v, %v; the facts were collected again: %v", o.up, o.err, watcher.doc != answered)
		}
	})
}

func TestCulprits(t *testing.T) {
	found := func(evidence map[string]any) finding.Finding {
		return finding.Finding{Subject: "web.service", Evidence: evidence}
	}
	cases := map[string]struct {
		findings []finding.Finding
		want     string
	}{
		"none":               {nil, ""},
		"by service":         {[]finding.Finding{found(map[string]any{"service": "app", "container": "web_app_1", "case": "exited"})}, "app exited"},
		"by container":       {[]finding.Finding{found(map[string]any{"service": "", "container": "web_app_1", "case": "exited"})}, "web_app_1 exited"},
		"by unit":            {[]finding.Finding{found(nil)}, "web.service"},
		"evidence of no use": {[]finding.Finding{found(map[string]any{"service": 7, "case": []any{}})}, "web.service"},
		"two replicas": {[]finding.Finding{
			found(map[string]any{"service": "app", "case": "exited"}), found(map[string]any{"service": "app", "case": "exited"}),
			found(map[string]any{"service": "app", "case": "starting"}),
		}, "app exited, app starting"},
	}
	for name, c := range cases {
		if got := strings.Join(culprits(c.findings), ", "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What could not be decided is kept apart from what a rule found.
func TestVerdictOf(t *testing.T) {
	v := verdictOf([]finding.Finding{
		{Effect: "allow"}, {Effect: "block", Severity: "page", Message: "down"}, {Effect: "heal", Severity: "ticket", Message: "to heal"},
		{Effect: "block", Severity: "unknown", Message: "podman hangs"},
	})
	if len(v.findings) != 2 || v.err == nil || v.err.Error() != "podman hangs" {
		t.Errorf("findings %+v, error %v", v.findings, v.err)
	}
}

func TestShorten(t *testing.T) {
	for _, line := range []string{"", "short", strings.Repeat("x", shownOfLine), strings.Repeat("ä", shownOfLine), "x" + strings.Repeat("ä", shownOfLine)} {
		got := shorten(line)
		if whole := len(line) <= shownOfLine; whole != (got == line) || !utf8.ValidString(got) || len(got) > shownOfLine+len("…") {
			t.Errorf("%d bytes became %d: %.20q", len(line), len(got), got)
		}
	}
}
