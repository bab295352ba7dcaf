package daily

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/report/timeline"
)

var update = flag.Bool("update", false, "write the goldens again")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s -want +got\n%s", path, d)
	}
}

// today is the day that the samples are about, in a zone of its own.
var today = time.Date(2026, 5, 4, 0, 0, 0, 0, time.FixedZone("CEST", 2*60*60))

// clockTime is a time of today; hours before midnight are negative.
func clockTime(hour, minute int) time.Time {
	return today.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
}

func span(from, to time.Time, exit int, digest string) history.AuditSpan {
	return history.AuditSpan{
		From: from, To: to, Count: 1 + int(to.Sub(from)/(10*time.Minute)), Mode: "enforce", ExitCode: exit,
		PolicyDigest: "sha256:00", DocumentDigest: digest, DurationMS: 41, Gaps: []string{},
	}
}

func found(id int64, invariant, subject string, severity finding.Severity, message string, since time.Time, until *time.Time) history.Occurrence {
	last := since
	if until != nil {
		last = *until
	}
	return history.Occurrence{
		ID: id, Since: since, LastSeen: last, ResolvedAt: until,
		Finding: finding.Finding{
			Invariant: invariant, Subject: subject, Effect: "block", Severity: severity, Message: message,
			Runbook: "invariants/" + invariant + "/" + invariant + ".md", Evidence: map[string]any{"case": "any", "path": "/x"},
		},
	}
}

func healing(s history.Occurrence, outcome finding.Outcome) history.Occurrence {
	s.Effect, s.Outcome = "heal", outcome
	return s
}

func waivedUntil(s history.Occurrence, until time.Time, reason string) history.Occurrence {
	s.Waiver = &finding.Waiver{Reason: reason, Owner: "ada", Until: until}
	return s
}

func acted(at time.Time, action finding.Action, subject, status, message string, healed *bool, reasons ...history.Reason) history.Action {
	return history.Action{ID: at.Unix(), At: at, Action: action, Subject: subject, Reasons: reasons, Status: status, Healed: healed, Message: message}
}

func steps(d finding.Finding) []string {
	return []string{"Activate the generation again: `sudo systemctl restart home-manager-ada.service` (" + d.Subject + ")"}
}

func class(invariant string) finding.Class {
	return map[string]finding.Class{"stack_running": finding.ClassStack, "linger_enabled": finding.ClassHost}[invariant]
}

const (
	home      = "/home/ada/.config/systemd/user/"
	homeFiles = "/nix/store/4p0hs1gkv3zcrlz2xh7ywxjm7cpq1v8r-home-manager-files/.config/systemd/user/"
)

// linked is a declared link of a unit, in effect.
func linked(unit string) facts.File {
	return facts.File{
		Path: home + unit, Role: "fragment", Origin: "user", Kind: "link", FirstHop: homeFiles + unit,
		Target: "/nix/store/0c3d6m2zrbv8a7lyj3c5yzf3n0w9k1xq-" + unit + "/" + unit, State: "declared",
		DeclaredTarget: homeFiles + unit, Effective: true, Loaded: true,
	}
}

func stack(name, active string, more ...facts.File) facts.Unit {
	since := clockTime(6, 0)
	wants := linked("default.target.wants/" + name + ".service")
	wants.Role, wants.Of = "wants", "default.target"
	wants.Target = linked(name + ".service").Target
	return facts.Unit{
		Name: name + ".service", ManagedBy: "home-manager", Stack: name,
		Loaded:  &facts.Loaded{LoadState: "loaded", ActiveState: active, SubState: "exited", ActiveSince: &since},
		Files:   append(append([]facts.File{linked(name + ".service")}, more...), wants),
		Applied: &facts.Applied{State: map[bool]string{true: "recorded", false: "none"}[name == "web"]},
	}
}

func snapshotOf(units ...facts.Unit) *facts.Document {
	collectors := map[string]facts.CollectorStatus{}
	for _, c := range []string{"user", "systemd", "files", "home-manager", "applied", "podman"} {
		collectors[c] = facts.CollectorStatus{OK: true, DurationMS: 3, LimitMS: 10000}
	}
	return &facts.Document{
		Schema: facts.Schema, CollectedAt: clockTime(13, 54), Collectors: collectors, Units: units,
		Host: &facts.Host{Name: "lab", OS: "NixOS 26.05"},
		Manager: &facts.Manager{UnitPath: []string{
			"/home/ada/.config/systemd/user.control", "/run/user/1000/systemd/user.control",
			"/home/ada/.config/systemd/user", "/etc/systemd/user", "/usr/lib/systemd/user",
		}},
	}
}

// sample is a day with something of everything: an open page, a stack
// that was not up while its unit was active, heals, a waiver, and a pause.
func sample() Input {
	yes, no, midday, night := true, false, clockTime(11, 10), clockTime(-4, 0)
	stray := facts.File{
		Path: "/etc/systemd/user/files.service.d/override.conf", Role: "dropin", Origin: "etc", Kind: "regular",
		State: "undeclared", Effective: true, Loaded: true,
	}
	shadow := linked("web.service")
	shadow.Path, shadow.FirstHop, shadow.Target = "/usr/lib/systemd/user/web.service", "", "/usr/lib/systemd/user/web.service"
	shadow.Origin, shadow.State, shadow.Effective, shadow.Loaded = "distribution", "undeclared", false, false
	changed := linked("photos.service")
	changed.State, changed.Kind, changed.FirstHop, changed.Target = "different", "regular", "", changed.Path
	photos := stack("photos", "active")
	photos.Files[0] = changed
	doc := snapshotOf(stack("web", "active", shadow), stack("files", "active", stray), photos, stack("mail", "active"), stack("music", "active"))
	last := span(clockTime(12, 30), clockTime(13, 54), 2, "now")
	reasons := []history.Reason{{Invariant: "loaded_is_current", Subject: "web.service"}, {Invariant: "loaded_is_current", Subject: "mail.service"}}
	return Input{Steps: steps, Record: timeline.Record{
		Now: clockTime(14, 0), Since: clockTime(-10, 0), LastAudit: &last, Document: doc,
		Spans: []history.AuditSpan{
			last, span(clockTime(11, 10), clockTime(12, 20), 1, "now"), span(clockTime(9, 0), clockTime(11, 0), 2, "now"),
			span(clockTime(6, 0), clockTime(8, 50), 1, "now"), span(clockTime(-3, -10), clockTime(1, 10), 0, "now"),
			span(clockTime(-4, 0), clockTime(-3, -20), 3, "gap"), span(clockTime(-30, 0), clockTime(-4, -10), 0, "now"),
		},
		Occurrences: []history.Occurrence{
			found(9, "dropins_owned", "files.service", "page", "/etc/systemd/user/files.service.d/override.conf changes files.service, but belongs to the system, not to this user", clockTime(12, 30), nil),
			found(8, "file_declared", "photos.service", "ticket", home+"photos.service is a regular file with other content than declared", clockTime(6, 0), nil),
			waivedUntil(found(7, "verify_gate_present", "music.service", "ticket", "music.service has no verify step", clockTime(-10, 0), nil), today.AddDate(0, 0, 27), "moves to stackctl with the next release"),
			found(6, "stack_running", "web.service", "page", "web.service: container web-db-1 exited (1)", clockTime(9, 0), &midday),
			healing(found(5, "loaded_is_current", "mail.service", "ticket", "mail.service runs an older definition than the one on disk: file-changed", clockTime(7, 0), ptr(clockTime(7, 0))), "healed"),
			healing(found(4, "loaded_is_current", "mail.service", "ticket", "mail.service runs an older definition than the one on disk: file-changed", clockTime(-8, 0), ptr(clockTime(-8, 0))), "healed"),
			found(3, "stack_running", "host", "unknown", "cannot be verified: units.containers was not collected: podman did not answer", night, ptr(clockTime(-3, -10))),
		},
		Actions: []history.Action{
			acted(clockTime(10, 0), "restart", "web.service", history.Done, "", &no, history.Reason{Invariant: "stack_running", Subject: "web.service"}),
			acted(clockTime(7, 0), "daemon-reload", "host", history.Done, "", &yes, reasons...),
			acted(clockTime(6, 0), "daemon-reload", "host", history.Refused, "a reload would load /etc/systemd/user/files.service.d/override.conf, which nothing declares", nil, reasons[0]),
			acted(clockTime(-8, 0), "daemon-reload", "host", history.Done, "", &yes, reasons...),
		},
		Snapshots: map[string]timeline.Snapshot{"now": timeline.SnapshotOf(doc), "gap": {Whole: false}},
		FirstSent: map[int64]time.Time{9: clockTime(12, 30).Add(4 * time.Second), 6: clockTime(9, 0).Add(90 * time.Second)},
		Class:     class,
	}}
}

func ptr[T any](v T) *T { return &v }

// nothing is what a new database holds.
func nothing() Input {
	return Input{Record: timeline.Record{Now: clockTime(14, 0), Since: clockTime(-10, 0)}}
}

func written(t *testing.T, write func(*bytes.Buffer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func html(t *testing.T, in Input) []byte {
	t.Helper()
	return written(t, func(out *bytes.Buffer) error { return WriteHTML(out, Build(in)) })
}
