package rollout

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/finding"
	"stackpolicy/fleet"
	"stackpolicy/fleet/release"
)

var worldSource = fleet.Source{Org: "home", Host: "web", User: "ada"}

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// world is a repository of releases and a host.
type world struct {
	repository release.Repository
	key        release.SigningKey
	host       Host
	now        time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{repository: release.At(filepath.Join(t.TempDir(), "releases")), now: noon}
	var err error
	if w.key, err = release.NewKey("ada"); err != nil {
		t.Fatal(err)
	}
	if err := w.repository.Init([]release.PublicKey{w.key.PublicKey}, 1, w.now); err != nil {
		t.Fatal(err)
	}
	w.sign(t)
	root, err := w.repository.Root()
	if err != nil {
		t.Fatal(err)
	}
	w.host = Host{
		Dir: Dir(t.TempDir()), Source: worldSource, Labels: map[string]string{"role": "canary"},
		Channel: "stable", Program: "1.4.0", Root: root,
		Check: func(context.Context, policy.Source) error { return nil },
	}
	return w
}

func (w *world) sign(t testing.TB) {
	t.Helper()
	w.now = w.now.Add(time.Second)
	if _, _, err := w.repository.Sign(w.key, w.now); err != nil {
		t.Fatal(err)
	}
}

// files are the rules of a version.
func files(version int64) []policy.File {
	return []policy.File{
		{Name: "main.rego", Text: []byte("package stackpolicy\n")},
		{Name: "lib/lib.rego", Text: fmt.Appendf(nil, "package stackpolicy.lib\nversion := %d\n", version)},
	}
}

// quick is a plan whose first stage is open, and whose success is one audit.
func quick(p *release.Plan) {
	p.OpenStage = 1
	p.Success = release.Success{MinAudits: 1}
}

// publish makes a release.
func (w *world) publish(t testing.TB, edit func(*release.Plan)) release.Plan {
	t.Helper()
	return w.publishFiles(t, files(w.now.Unix()), edit)
}

func (w *world) publishFiles(t testing.TB, rules []policy.File, edit func(*release.Plan)) release.Plan {
	t.Helper()
	bundle, err := release.Pack(rules)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.repository.Propose("stable", bundle, w.now, edit)
	if err != nil {
		t.Fatal(err)
	}
	w.sign(t)
	return p
}

func (w *world) amend(t testing.TB, edit func(*release.Plan)) {
	t.Helper()
	if _, err := w.repository.Amend("stable", w.now, func(p *release.Plan) error { edit(p); return nil }); err != nil {
		t.Fatal(err)
	}
	w.sign(t)
}

func (w *world) pull() error {
	return w.host.Pull(context.Background(), release.Folder(w.repository.Public()), w.now)
}

func (w *world) mustPull(t testing.TB) {
	t.Helper()
	if err := w.pull(); err != nil {
		t.Fatal(err)
	}
}

// audit is an audit as the program does it: the active release decides, the one in shadow beside
// it. It returns the version that decided, 0 for none.
func (w *world) audit(t testing.TB, see func(version int64) Observed) int64 {
	t.Helper()
	w.now = w.now.Add(time.Minute)
	observe := func(r *Release, err error) Observed {
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		if r == nil {
			return Observed{}
		}
		o := see(r.Plan.Version)
		o.Version = r.Plan.Version
		return o
	}
	active, shadow := observe(w.host.Active()), observe(w.host.Candidate())
	if _, err := w.host.Record(shadow, active, w.now); err != nil {
		t.Fatal(err)
	}
	return active.Version
}

func good(int64) Observed { return Observed{} }

func (w *world) status(t testing.TB) Status {
	t.Helper()
	s, err := w.host.Status(w.now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) active(t testing.TB) int64 {
	t.Helper()
	r, err := w.host.Active()
	if err != nil {
		t.Fatal(err)
	}
	if r == nil {
		return 0
	}
	return r.Plan.Version
}

func page(invariant string) finding.Finding {
	return finding.Finding{Invariant: invariant, Subject: "web.service", Effect: finding.Block, Severity: finding.Page, Evidence: map[string]any{}}
}
