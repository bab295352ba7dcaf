package stack

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"stackpolicy/applied"
	"stackpolicy/facts"
	"stackpolicy/internal/lock"
)

// last is how the last apply ended, by the record; the zero Outcome without one.
func (w *world) last() applied.Outcome {
	w.t.Helper()
	r, err := applied.Read(w.Env.StateHome, "web")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	return r.Last
}

// A preflight that refuses is recorded in a unit, whose start was to apply the
// stack. By hand it is a question that changes nothing.
func TestPreflightRecords(t *testing.T) {
	cases := map[string]struct {
		invocation string
		applied    bool // before
		want       int
	}{
		"in a unit":                     {"8f2c", true, BadCompose.Status},
		"in a unit, never applied":      {"8f2c", false, BadCompose.Status},
		"by hand":                       {"", true, 0},
		"by hand, and nothing recorded": {"", false, 0},
	}
	for name, c := range cases {
		testIn(t, name, func(t *testing.T, w *world) {
			s := w.web(nil)
			if c.applied {
				want(t, w.apply(s), Applied)
			}
			w.Invocation = c.invocation
			w.write("compose.yaml", "services: [", 0o644)
			want(t, w.Preflight(t.Context(), s), BadCompose)
			if got := w.last(); got.Status != c.want || c.want != 0 && got.Step != "preflight" {
				t.Errorf("recorded %+v", got)
			}
		})
	}
}

// The outcome of the apply that runs is what counts.
func TestPreflightDuringAnApplyRecordsNothing(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	want(t, w.apply(s), Applied)
	release, err := lock.Take(w.lockPath(s), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	w.Invocation = "8f2c"
	want(t, w.Preflight(t.Context(), s), Locked)
	if got := w.last(); got.Status != 0 {
		t.Errorf("recorded %+v", got)
	}
}

// A failure stays recorded until an apply succeeds; that the old containers are
// up does not undo it.
func TestAFailureStaysRecorded(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	w.images("")
	want(t, w.Apply(t.Context(), s), ApplyFailed, "an image cannot be had")
	if got := w.last(); got.Step != "apply" || got.Status != ApplyFailed.Status || !w.record().AppliedAt.IsZero() {
		t.Errorf("recorded %+v", w.record())
	}
	want(t, w.Verify(t.Context(), s, time.Millisecond), CannotLook)
	if got := w.last(); got.Status != ApplyFailed.Status {
		t.Errorf("a verify by hand replaced the failure: %+v", got)
	}
	w.images(image)
	want(t, w.apply(s), Applied)
	if got := w.last(); got.Status != 0 || w.record().AppliedAt.IsZero() {
		t.Errorf("recorded %+v", w.record())
	}
}

// A killed apply has no time to say how it ended.
func TestAnApplyRecordsThatItBegan(t *testing.T) {
	w := newWorld(t)
	s := w.web(nil)
	want(t, w.apply(s), Applied)
	w.write("up", "#!/bin/sh\ncp \"$(dirname \"$0\")/state/stackpolicy/applied/web.json\" \"$(dirname \"$0\")/meanwhile\"\n"+success, 0o755)
	w.write("compose.yaml", "services: {app: {image: localhost/app:1, command: [x]}}\n", 0o644)
	want(t, w.apply(s), Applied)
	text, err := os.ReadFile(w.path("meanwhile"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("state/stackpolicy/applied/web.json", string(text), 0o600)
	if r := w.record(); r.Last.Status != ApplyCut.Status || r.AppliedAt.IsZero() {
		t.Errorf("recorded meanwhile %+v", r)
	}
}

// A record that is damaged stays as it is, for the audit to report.
func TestADamagedRecordIsNotReplacedByAFailure(t *testing.T) {
	w := newWorld(t)
	w.images("")
	if err := os.MkdirAll(applied.Folder(w.Env.StateHome), 0o700); err != nil {
		t.Fatal(err)
	}
	w.write("state/stackpolicy/applied/web.json", "{", 0o600)
	want(t, w.Apply(t.Context(), w.web(nil)), ApplyFailed)
	if text, err := os.ReadFile(applied.Path(w.Env.StateHome, "web")); err != nil || string(text) != "{" {
		t.Errorf("%q, %v", text, err)
	}
}

// While an apply is at work, its outcome is not known yet.
func TestStatusDuringAnApply(t *testing.T) {
	w := newWorld(t)
	for _, busy := range []bool{true, false} {
		doc := document("active")
		u := &doc.Units[0]
		u.Containers = []facts.Container{runs("app", "running")}
		u.Applied = &facts.Applied{State: "recorded", Changed: []facts.AppliedFile{}, Step: "apply", Status: ApplyCut.Status, Busy: busy}
		st, err := statusOf(t.Context(), rules{w.Policies}, w.web(nil), doc, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]Outcome{true: IsUp, false: UpButFailed}[busy]; st.Outcome() != want {
			t.Errorf("busy %v: %s, want %s", busy, st.State, want.Name)
		}
	}
}
