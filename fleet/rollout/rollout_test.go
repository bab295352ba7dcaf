package rollout

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/fleet/release"
)

// A release decides in shadow first, then it is active; the next one takes its place in the same
// way, and the one before stays on the disk.
func TestRollout(t *testing.T) {
	w := newWorld(t)
	w.mustPull(t)
	if s := w.status(t); s.Newest != nil || s.Problem != nil {
		t.Errorf("before there is a release: %+v", s)
	}
	for version := int64(1); version <= 3; version++ {
		w.publish(t, quick)
		w.mustPull(t)
		if s := w.status(t); s.Stage != StageShadow || w.active(t) != version-1 {
			t.Fatalf("release %d: stage %s, active is %d", version, s.Stage, w.active(t))
		}
		if decided := w.audit(t, good); decided != version-1 {
			t.Fatalf("release %d decided before it was in shadow", decided)
		}
		if s := w.status(t); s.Stage != StageActive || w.active(t) != version {
			t.Fatalf("release %d: stage %s, active is %d, %s %s", version, s.Stage, w.active(t), s.Waits, s.Problem)
		}
		r, err := w.host.Active()
		if err != nil || filepath.Base(filepath.Dir(r.Rules)) != slots[1-version%2] {
			t.Errorf("rules in %s, %v", r.Rules, err)
		}
		w.audit(t, good) // its trial
	}
}

// TestWrongRoot: a file that is no root is refused and not kept, so the right one is taken after it.
func TestWrongRoot(t *testing.T) {
	w := newWorld(t)
	w.publish(t, quick)
	root := w.host.Root
	timestamp, err := os.ReadFile(filepath.Join(w.repository.Public(), "timestamp.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string][]byte{
		"text": []byte("web\n"), "another file": timestamp, "half": root[:len(root)/2],
		"changed": bytes.Replace(root, []byte("2027"), []byte("2028"), 1),
	} {
		w.host.Root = wrong
		if err := w.pull(); err == nil || !strings.Contains(err.Error(), "this is no root of releases") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.host.Root = root
	w.mustPull(t)
}

// TestStages: on a host whose stage is not open a release only decides in shadow, however long.
func TestStages(t *testing.T) {
	w := newWorld(t)
	w.host.Labels = nil
	p := w.publish(t, func(p *release.Plan) {
		quick(p)
		p.Stages = []release.Stage{{Select: map[string]string{"role": "canary"}}, {}}
	})
	w.mustPull(t)
	for range 5 {
		w.audit(t, good)
	}
	if s := w.status(t); s.Stage != StageShadow || w.active(t) != 0 || !strings.Contains(s.Waits, "stage 2 (all)") || s.Shadow.Audits != 5 {
		t.Fatalf("got %+v", s)
	}
	w.amend(t, func(p *release.Plan) { p.OpenStage = 2 })
	if w.active(t) != 0 {
		t.Error("it acts before the host has seen the new plan")
	}
	w.mustPull(t)
	if w.active(t) != p.Version {
		t.Errorf("active is %d after its stage was opened", w.active(t))
	}
	other := newWorld(t)
	other.host.Labels = map[string]string{"role": "db"}
	other.publish(t, func(p *release.Plan) { quick(p); p.OpenStage = 1; p.Stages = p.Stages[:1] })
	other.mustPull(t)
	other.audit(t, good)
	if s := other.status(t); other.active(t) != 0 || !strings.Contains(s.Waits, "no stage") {
		t.Errorf("a host of no stage: %+v", s)
	}
}

// What a release must show before it is active.
func TestSuccess(t *testing.T) {
	w := newWorld(t)
	w.publish(t, func(p *release.Plan) {
		p.OpenStage = 1
		p.Success = release.Success{MinAudits: 2, MinTime: release.Duration(10 * time.Minute), MaxNewPages: 1}
	})
	w.mustPull(t)
	w.audit(t, good)
	if s := w.status(t); !strings.Contains(s.Waits, "1 of 2 audits") {
		t.Errorf("waits for %q", s.Waits)
	}
	w.audit(t, func(int64) Observed { return Observed{NewPages: []string{"a"}} })
	if s := w.status(t); !strings.Contains(s.Waits, "shadow until") || s.Shadow.NewPages != 1 {
		t.Errorf("waits for %q after %+v", s.Waits, s.Shadow)
	}
	w.now = w.now.Add(10 * time.Minute)
	w.audit(t, func(int64) Observed { return Observed{NewPages: []string{"a"}} })
	if w.active(t) != 1 {
		t.Errorf("not active: %+v", w.status(t))
	}
}

// TestFailure: a release that fails is not used, the host stays on what it had and says so; the
// next release has its own chance.
func TestFailure(t *testing.T) {
	for name, c := range map[string]struct {
		see  Observed
		want string
	}{
		"it cannot decide": {Observed{Errors: []string{"unit_not_failed"}}, "could not decide"},
		"it cannot load":   {Observed{Err: errors.New("stopped at the memory limit")}, "could not decide"},
		"new pages":        {Observed{NewPages: []string{"a", "b"}}, "2 new pages, and the plan allows 1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.publish(t, quick)
			w.mustPull(t)
			w.audit(t, good)
			w.audit(t, good)
			w.publish(t, func(p *release.Plan) { quick(p); p.Success.MaxNewPages = 1 })
			w.mustPull(t)
			w.audit(t, func(version int64) Observed {
				if version == 2 {
					return c.see
				}
				return Observed{}
			})
			for range 3 {
				w.mustPull(t)
				w.audit(t, good)
			}
			s := w.status(t)
			if w.active(t) != 1 || s.Stage != StageBack || !strings.Contains(s.Problem.String(), c.want) {
				t.Errorf("active is %d, %+v", w.active(t), s)
			}
			if r, _ := s.Beat(w.now); r.Stage != StageBack || r.Version != 1 || r.Problem == "" {
				t.Errorf("the beat says %+v", r)
			}
			w.publish(t, quick)
			w.mustPull(t)
			w.audit(t, good)
			if s := w.status(t); w.active(t) != 3 || s.Problem != nil {
				t.Errorf("after the next release: active is %d, %+v", w.active(t), s)
			}
		})
	}
}

// TestBack: a release that fails soon after it became active gives its place back, to the release
// before or to the rules of the program. Later it stays: the facts changed, not the rules.
func TestBack(t *testing.T) {
	w := newWorld(t)
	broken := func(int64) Observed { return Observed{Errors: []string{"unit_not_failed"}} }
	w.publish(t, quick)
	w.mustPull(t)
	w.audit(t, good)
	w.audit(t, broken)
	if s := w.status(t); w.active(t) != 0 || s.Stage != StageBack || !strings.Contains(s.Problem.String(), "after it became active") {
		t.Fatalf("active is %d, %+v", w.active(t), s)
	}
	w.publish(t, quick)
	w.mustPull(t)
	w.audit(t, good)
	w.audit(t, good)
	w.audit(t, broken)
	if w.active(t) != 2 {
		t.Errorf("after its trial: active is %d", w.active(t))
	}
	w.publish(t, quick)
	w.mustPull(t)
	w.audit(t, good)
	w.publish(t, quick)
	w.mustPull(t) // it waits for the trial of 3: the slot that it needs is that of 2
	w.audit(t, broken)
	if w.active(t) != 2 {
		t.Errorf("active is %d, want the release before", w.active(t))
	}
}

func TestHalt(t *testing.T) {
	w := newWorld(t)
	w.publish(t, quick)
	w.mustPull(t)
	w.amend(t, func(p *release.Plan) { p.Halted, p.Reason = true, "it pages too much" })
	w.mustPull(t)
	w.audit(t, good)
	if s := w.status(t); w.active(t) != 0 || !strings.Contains(s.Waits, "it pages too much") {
		t.Errorf("active is %d, %+v", w.active(t), s)
	}
	w.amend(t, func(p *release.Plan) { p.Halted, p.Reason = false, "" })
	w.mustPull(t)
	if w.active(t) != 1 {
		t.Error("not active after the halt was lifted")
	}
	w.publish(t, func(p *release.Plan) { quick(p); p.Halted = true })
	w.mustPull(t)
	w.audit(t, good)
	if w.active(t) != 1 {
		t.Error("a release that began halted is active")
	}
}

// TestStays: whatever the source offers or does not, the host stays on what it has, and says so.
func TestStays(t *testing.T) {
	w := newWorld(t)
	w.publish(t, quick)
	w.mustPull(t)
	w.audit(t, good)
	if err := w.host.Pull(t.Context(), away{}, w.now); err == nil || w.active(t) != 1 || w.status(t).Problem == nil {
		t.Errorf("away: %v, %+v", err, w.status(t))
	}
	w.now = w.now.Add(release.TargetsLife)
	if err := w.pull(); !errors.Is(err, release.ErrExpired) || w.active(t) != 1 {
		t.Errorf("expired: %v", err)
	}
	if s := w.status(t); !strings.Contains(s.Problem.String(), "expired") {
		t.Errorf("got %+v", s)
	}
	if w.audit(t, good) != 1 {
		t.Error("an expired release does not decide any more")
	}
}

type away struct{}

func (away) File(context.Context, string, int64) ([]byte, error) {
	return nil, errors.New("no answer")
}

// A release that expires while it is in shadow does not become active.
func TestExpiresInShadow(t *testing.T) {
	w := newWorld(t)
	w.publish(t, func(p *release.Plan) { quick(p); p.Expires = w.now.Add(time.Minute) })
	w.mustPull(t)
	w.audit(t, good)
	w.audit(t, good)
	if s := w.status(t); w.active(t) != 0 || !strings.Contains(s.Waits, "expired") {
		t.Errorf("active is %d, %+v", w.active(t), s)
	}
}

// TestCheck: rules that the loader refuses, or whose tests fail, are never even in shadow.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	checked := 0
	w.host.Check = func(_ context.Context, s policy.Source) error {
		checked++
		return errors.New("lib/lib.rego:2: no")
	}
	w.publish(t, quick)
	if err := w.pull(); err == nil || !strings.Contains(err.Error(), "lib/lib.rego:2: no") {
		t.Errorf("got %v", err)
	}
	w.mustPull(t)
	w.audit(t, good)
	if s := w.status(t); checked != 1 || s.Stage != StageBack || w.active(t) != 0 {
		t.Errorf("checked %d times, %+v", checked, s)
	}
	w.host.Program = "1.5.0" // another program may accept them
	w.mustPullFails(t)
	if checked != 2 {
		t.Errorf("checked %d times", checked)
	}
}

func (w *world) mustPullFails(t *testing.T) {
	t.Helper()
	if err := w.pull(); err == nil {
		t.Error("no error")
	}
}

func TestMinimumProgram(t *testing.T) {
	w := newWorld(t)
	w.publish(t, func(p *release.Plan) { quick(p); p.MinimumProgram = "1.5" })
	if err := w.pull(); err == nil || !strings.Contains(err.Error(), "upgrade stackpolicy") {
		t.Errorf("got %v", err)
	}
	w.host.Program = "v1.5.0"
	w.mustPull(t)
	w.audit(t, good)
	if w.active(t) != 1 {
		t.Error("not active after the upgrade")
	}
	for _, c := range []struct {
		version, than string
		want          bool
	}{{"1.4.0", "1.5", true}, {"1.5.0", "1.5", false}, {"1.10.0", "1.9.9", false}, {"1.4.9-3-gabc", "1.5.0", true}, {"devel", "9", false}, {"", "1", false}} {
		if got := isOlder(c.version, c.than); got != c.want {
			t.Errorf("%s than %s: %v", c.version, c.than, got)
		}
	}
}

// TestEdited: a release that somebody edited on the disk does not decide.
func TestEdited(t *testing.T) {
	for name, edit := range map[string]func(dir string) error{
		"a rule": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "a", rulesFolder, "main.rego"), []byte("package x\n"), 0o600)
		},
		"one more rule": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "a", rulesFolder, "lib", "b.rego"), []byte("package x\n"), 0o600)
		},
		"a rule less": func(dir string) error { return os.Remove(filepath.Join(dir, "a", rulesFolder, "lib", "lib.rego")) },
		"the bundle":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "a", bundleFile), []byte("x"), 0o600) },
		"the plan":    func(dir string) error { return os.Remove(filepath.Join(dir, "a", planFile)) },
		"the link": func(dir string) error {
			link := filepath.Join(dir, activeLink)
			return errors.Join(os.Remove(link), os.Symlink("/etc", link))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.publish(t, quick)
			w.mustPull(t)
			w.audit(t, func(int64) Observed { return Observed{} })
			if r, err := w.host.Active(); err != nil || r.slot != "b" && r.slot != "a" {
				t.Fatal(err)
			} else if r.slot == "b" {
				if err := os.Rename(w.host.path("b"), w.host.path("a")); err != nil {
					t.Fatal(err)
				}
				if err := w.host.activate("a"); err != nil {
					t.Fatal(err)
				}
			}
			if err := edit(w.host.Dir); err != nil {
				t.Fatal(err)
			}
			if r, err := w.host.Active(); !errors.Is(err, ErrDamaged) || r != nil {
				t.Errorf("got %v, %v", r, err)
			}
			if s := w.status(t); s.Problem == nil || s.Active != nil {
				t.Errorf("got %+v", s)
			}
			w.mustPull(t) // which brings it again
			w.audit(t, good)
			if w.active(t) != 1 {
				t.Errorf("it did not come back: %+v", w.status(t))
			}
		})
	}
}

func TestCompare(t *testing.T) {
	undecided := finding.Finding{Invariant: "c", Subject: "web.service", Effect: finding.Block, Severity: finding.Unknown, Evidence: map[string]any{"case": finding.CaseError}}
	gap := undecided
	gap.Evidence = map[string]any{"case": finding.CaseGap}
	ticket := page("d")
	ticket.Severity = finding.Ticket
	waived := page("e")
	waived.Waiver = &finding.Waiver{}
	o := Compare(3, []finding.Finding{page("a")}, []finding.Finding{page("a"), page("b"), undecided, gap, ticket, waived})
	if o.Version != 3 || !slices.Equal(o.Errors, []string{"c"}) || !slices.Equal(o.NewPages, []string{page("b").Identity()}) {
		t.Errorf("got %+v", o)
	}
}

// A host that changes its channel begins with that channel's versions, and stays on what it has
// until one of them is a success.
func TestAnotherChannel(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.publish(t, quick)
		w.mustPull(t)
		w.audit(t, good)
		w.audit(t, good)
	}
	bundle, err := release.Pack(files(7))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.repository.Propose("edge", bundle, w.now, quick); err != nil {
		t.Fatal(err)
	}
	w.sign(t)
	w.host.Channel = "edge"
	w.mustPull(t)
	if w.active(t) != 3 {
		t.Errorf("active is %d", w.active(t))
	}
	w.audit(t, good)
	if r, err := w.host.Active(); err != nil || r.Plan.Channel != "edge" || r.Plan.Version != 1 {
		t.Errorf("got %+v, %v", r, err)
	}
}

// TestGiveUp: a release that a newer program refuses does not decide any more, and is not fetched
// again by that program.
func TestGiveUp(t *testing.T) {
	w := newWorld(t)
	w.publish(t, quick)
	w.mustPull(t)
	for range 3 {
		w.audit(t, good)
	}
	if err := w.host.GiveUp(9, errors.New("x"), w.now); err != nil || w.active(t) != 1 {
		t.Fatalf("another release: %v, active is %d", err, w.active(t))
	}
	if err := w.host.GiveUp(1, errors.New("lib/lib.rego:2: a builtin that is gone"), w.now); err != nil {
		t.Fatal(err)
	}
	w.mustPull(t)
	w.audit(t, good)
	if s := w.status(t); w.active(t) != 0 || s.Stage != StageBack || !strings.Contains(s.Problem.String(), "a builtin that is gone") {
		t.Errorf("active is %d, %+v", w.active(t), s)
	}
}

// TestFacts: the kinds of problems as rules see them, and since when.
func TestFacts(t *testing.T) {
	w := newWorld(t)
	w.publish(t, quick)
	w.mustPull(t)
	w.audit(t, good)
	want := func(kind string, since time.Time) {
		t.Helper()
		r := w.status(t).Facts()
		if r.Channel != "stable" || r.Version != 1 || r.Newest != 1 || r.Stage != StageActive || r.Expires == nil {
			t.Errorf("got %+v", r)
		}
		if kind == "" && r.Problem != nil || kind != "" && (r.Problem == nil || r.Problem.Kind != kind || !r.Problem.Since.Equal(since)) {
			t.Errorf("got the problem %+v, want %s since %s", r.Problem, kind, since)
		}
	}
	want("", time.Time{})
	first := w.now
	for range 2 {
		_ = w.host.Pull(t.Context(), away{}, w.now)
		want(facts.ReleaseUnreachable, first)
		w.now = w.now.Add(time.Hour)
	}
	other := newWorld(t)
	other.publish(t, quick)
	_ = w.host.Pull(t.Context(), release.Folder(other.repository.Public()), w.now)
	want(facts.ReleaseRefused, w.now)
	w.now = w.now.Add(release.TargetsLife)
	_ = w.pull()
	want(facts.ReleaseExpired, w.now)
	if w.host.Channel = ""; w.status(t).Facts() != nil {
		t.Error("an account without a channel has releases")
	}
}

// TestPrepare: what was fetched decides nothing before it was checked. A check that was
// interrupted is done again; one whose process is killed each time ends in a refusal.
func TestPrepare(t *testing.T) {
	w := newWorld(t)
	w.publish(t, quick)
	fetch := func() {
		t.Helper()
		if err := w.host.Fetch(t.Context(), release.Folder(w.repository.Public()), w.now); err != nil {
			t.Fatal(err)
		}
	}
	fetch()
	w.audit(t, good)
	fetch()
	if s := w.status(t); s.Stage != "" || !strings.Contains(s.Waits, "to be checked") || w.active(t) != 0 {
		t.Errorf("before it was checked: %+v", s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.host.Check = func(context.Context, policy.Source) error { cancel(); return ctx.Err() }
	if err := w.host.Prepare(ctx, w.now); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	w.host.Check = func(context.Context, policy.Source) error { panic("killed") }
	for range maxChecks - 1 {
		func() {
			defer func() { _ = recover() }()
			_ = w.host.Prepare(t.Context(), w.now)
		}()
	}
	w.host.Check = func(context.Context, policy.Source) error { return nil }
	if err := w.host.Prepare(t.Context(), w.now); err == nil || !strings.Contains(err.Error(), "killed 3 times") {
		t.Errorf("got %v", err)
	}
	fetch()
	if s := w.status(t); s.Stage != StageBack {
		t.Errorf("got %+v", s)
	}
	w.host.Program = "1.5.0" // another program has its own tries
	fetch()
	if err := w.host.Prepare(t.Context(), w.now); err != nil {
		t.Fatal(err)
	}
	w.audit(t, good)
	if w.active(t) != 1 {
		t.Errorf("not active: %+v", w.status(t))
	}
}
