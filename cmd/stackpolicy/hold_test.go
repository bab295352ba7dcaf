package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/history"
)

var monday = time.Date(2026, 5, 4, 3, 2, 1, 500, time.UTC)

func TestEndOfAnExemption(t *testing.T) {
	cases := map[string]struct {
		e    exemption
		want string // RFC 3339, or part of the error
	}{
		"a period":             {exemption{period: cli.Ago(2 * time.Hour)}, "2026-05-04T05:02:01Z"},
		"a time":               {exemption{until: "2026-05-05T00:00:00Z"}, "2026-05-05T00:00:00Z"},
		"a time with a zone":   {exemption{until: "2026-05-05T00:00:00+02:00"}, "2026-05-04T22:00:00Z"},
		"a year":               {exemption{period: cli.Ago(longest)}, "2027-05-05T03:02:01Z"},
		"more than a year":     {exemption{period: cli.Ago(longest + time.Second)}, "is not within a year from now"},
		"far away":             {exemption{until: "2999-01-01T00:00:00Z"}, "is not within a year from now"},
		"now":                  {exemption{}, "is not within a year from now"},
		"in the past":          {exemption{until: "2026-05-04T03:02:01Z"}, "is not within a year from now"},
		"a time without zone":  {exemption{until: "2026-05-05T00:00:00"}, "is not a time with a zone"},
		"a day is not a time":  {exemption{until: "2026-05-05"}, "is not a time with a zone"},
		"a word is not a time": {exemption{until: "tomorrow"}, `"tomorrow" is not a time`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			until, err := c.e.end(monday)
			got := until.Format(time.RFC3339)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, c.want) || err == nil && got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestWordsOfAnExemption: reason and owner are shown in terminals and reports, one line each.
func TestWordsOfAnExemption(t *testing.T) {
	long := strings.Repeat("ä", maxWords)
	cases := map[string]struct{ reason, owner, want string }{
		"both":            {"new disk", "ada", ""},
		"as long as can":  {long, long, ""},
		"too long":        {long + "x", "ada", "--reason: want one line of 1 to 200 characters"},
		"no reason":       {"", "ada", "--reason: want one line"},
		"no owner":        {"new disk", "", "--owner: want one line"},
		"two lines":       {"new\ndisk", "ada", "--reason: want one line"},
		"moves a cursor":  {"new disk", "ada\x1b[2J", "--owner: want one line"},
		"a control of C1": {"new\u009b2Jdisk", "ada", "--reason: want one line"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := exemption{reason: c.reason, owner: c.owner}
			err := e.check(t.Context(), "web", "")
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	hold := exemption{reason: "x", owner: "y"}
	if err := hold.check(t.Context(), "host", ""); err == nil {
		t.Error("a host can be held")
	}
	waiver := exemption{reason: "x", owner: "y", source: &policySource{}}
	if err := waiver.check(t.Context(), "web", "waivers_current"); err == nil || err.Error() != "waivers_current cannot be waived" {
		t.Errorf("the invariant about waivers: %v", err)
	}
}

// remembering returns a history below a home of the test, in which an audit saw these units.
func remembering(t *testing.T, units ...facts.Unit) *history.Store {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	store, err := openMemory(t.Context(), monday)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	doc := &facts.Document{Schema: facts.Schema, CollectedAt: monday, Collectors: map[string]facts.CollectorStatus{}, Units: units}
	_, err = store.Record(t.Context(), history.Audit{At: monday, Mode: "observe", PolicyDigest: "sha256:00", Document: doc})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func managedUnit(name string) facts.Unit { return facts.Unit{Name: name, ManagedBy: facts.ByConfig} }

// TestKnownSubject: a name that no audit manages is refused, because a hold of it would hold
// nothing. Failures to begin do not hide the units of the audit before.
func TestKnownSubject(t *testing.T) {
	store := remembering(t, managedUnit("web.service"), managedUnit("backup.timer"), facts.Unit{Name: "other.service"})
	if err := store.RecordFailure(t.Context(), monday.Add(time.Minute), "no rules"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"web.service": "web.service", "web": "web.service", "backup.timer": "backup.timer", "host": "host",
		"backup": "", "wbe": "", "other.service": "", "": "", "web.service ": "",
	} {
		got, err := knownSubject(t.Context(), store, name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", name, got, err, want)
		}
		if err != nil && (!strings.Contains(err.Error(), "is not managed; ") ||
			!strings.HasSuffix(err.Error(), "known: host, web.service, backup.timer") && !strings.HasSuffix(err.Error(), "known: host, backup.timer, web.service") ||
			strings.Contains(err.Error(), "did you mean web.service? ") != (name == "wbe" || name == "web.service ")) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestEndingAnExemption ends only the one that is named.
func TestEndingAnExemption(t *testing.T) {
	store := remembering(t, managedUnit("web.service"))
	until := time.Now().Add(time.Hour)
	for _, e := range []facts.Exemption{{Until: until}, {Invariant: "stack_running", Until: until}} {
		e.Reason, e.Owner, e.Since = "disk", "ada", monday
		if err := store.Exempt(t.Context(), "web.service", e); err != nil {
			t.Fatal(err)
		}
	}
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	if err := endExemption(cmd, "db", ""); err == nil || err.Error() != `"db" is not held by a command; to end a hold of config.yaml, remove it there` {
		t.Errorf("a unit that is not held: %v", err)
	}
	if err := endExemption(cmd, "web", ""); err != nil {
		t.Errorf("a hold: %v", err)
	}
	if err := endExemption(cmd, "web", ""); err == nil {
		t.Error("a hold ended twice")
	}
	if err := endExemption(cmd, "web", "probes_answer"); err == nil || !strings.Contains(err.Error(), "remove it there") {
		t.Errorf("a waiver that is not there: %v", err)
	}
	m, err := store.Recall(t.Context(), time.Now())
	exemptions := m.Of("web.service").Exemptions
	if err != nil || len(exemptions) != 1 || exemptions[0].Invariant != "stack_running" {
		t.Errorf("left are %+v, %v", exemptions, err)
	}
	if err := endExemption(cmd, "web.service", "stack_running"); err != nil {
		t.Errorf("a waiver: %v", err)
	}
}

// TestClosingBreakers: only those that are named, by their short name too.
func TestClosingBreakers(t *testing.T) {
	store := remembering(t, managedUnit("web.service"), managedUnit("db.service"))
	now := time.Now()
	for _, subject := range []string{"web.service", "db.service", "host"} {
		if err := store.OpenBreaker(t.Context(), subject, "budget", now.Add(-time.Minute), now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	if err := closeBreakers(cmd, env, []string{"web", "host"}); err != nil {
		t.Error(err)
	}
	for _, subject := range []string{"web", "wbe"} {
		if err := closeBreakers(cmd, env, []string{subject}); err == nil || err.Error() != `no breaker of "`+subject+`" is open` {
			t.Errorf("%s: %v", subject, err)
		}
	}
	m, err := store.Recall(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for subject, open := range map[string]bool{"web.service": false, "db.service": true, "host": false} {
		if got := m.Of(subject).Breaker != nil; got != open {
			t.Errorf("the breaker of %s is open: %t, want %t", subject, got, open)
		}
	}
}
