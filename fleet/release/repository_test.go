package release

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestThreshold: one signature publishes nothing, and who is missing is said.
func TestThreshold(t *testing.T) {
	f := newFleet(t)
	if _, err := f.Propose("stable", pack(t, rules("package stackpolicy.lib\n")), f.now, func(*Plan) {}); err != nil {
		t.Fatal(err)
	}
	signed, published, err := f.Sign(f.people[1], f.now)
	if err != nil || published {
		t.Fatal(published, err)
	}
	if got, want := signed[0].String(), "1 of 2 signatures (bob); missing: 1 of ada, eve"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if again, published, err := f.Sign(f.people[1], f.now); err != nil || published || len(again[0].Signed) != 1 {
		t.Errorf("the same signs again: %v, %v, %v", again, published, err)
	}
	if _, _, err := f.Sign(newPerson(t, "bob"), f.now); err == nil {
		t.Error("a stranger signs")
	}
	s, err := f.Status(f.now)
	if err != nil || len(s.Waiting) != 1 || len(s.Staged) != 1 || len(s.Published) != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, published, err := f.Sign(f.people[2], f.now); err != nil || !published {
		t.Errorf("two have signed: %v, %v", published, err)
	}
	if s, err := f.Status(f.now); err != nil || len(s.Waiting) != 0 || len(s.Published) != 1 {
		t.Errorf("got %+v, %v", s, err)
	}
}

// An edit of what waits removes the signatures that it has.
func TestAmendRemovesSignatures(t *testing.T) {
	f := newFleet(t)
	f.release(t, "package stackpolicy.lib\n")
	open := func(n int) func(*Plan) error { return func(p *Plan) error { p.OpenStage = n; return nil } }
	_, err := f.Amend("stable", f.now, open(1))
	must(t, err)
	f.sign(t, 0)
	p, err := f.Amend("stable", f.now, open(2))
	must(t, err)
	f.sign(t, 0)
	if got, err := f.published("stable"); err != nil || got.OpenStage != 0 {
		t.Errorf("one signature for each of two edits: %d stages are open, %v", got.OpenStage, err)
	}
	f.sign(t, 1)
	f.now = f.now.Add(time.Minute)
	if got, err := f.fetch(); err != nil || !got.Plan.Equal(p) {
		t.Errorf("got %+v, %v", got.Plan, err)
	}
}

func TestInit(t *testing.T) {
	r := At(filepath.Join(t.TempDir(), "release"))
	ada := newPerson(t, "ada")
	if err := r.Init([]PublicKey{ada.PublicKey, ada.PublicKey}, 2, noon); err == nil {
		t.Error("a key twice counts as two")
	}
	if err := r.Init([]PublicKey{ada.PublicKey}, 2, noon); err == nil {
		t.Error("one key cannot give two signatures")
	}
	if _, err := r.Status(noon); !errors.Is(err, ErrNoRoot) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Propose("stable", pack(t, rules("package a\n")), noon, func(*Plan) {}); !errors.Is(err, ErrNoRoot) {
		t.Errorf("a release without a root: %v", err)
	}
	must(t, r.Init([]PublicKey{ada.PublicKey}, 1, noon))
	if _, published, err := r.Sign(ada, noon); err != nil || !published {
		t.Errorf("a fleet of one person: %v, %v", published, err)
	}
	if err := r.Init([]PublicKey{ada.PublicKey}, 1, noon); err == nil {
		t.Error("a second root 1")
	}
}

// TestExpiryIsTold: 14 days before, not earlier.
func TestExpiryIsTold(t *testing.T) {
	f := newFleet(t)
	f.release(t, "package stackpolicy.lib\n")
	warnings := func(after time.Duration) (found []string) {
		s, err := f.Status(f.now.Add(after))
		must(t, err)
		for _, e := range s.Ends {
			if w := e.Warning(f.now.Add(after)); w != "" && e.What != "the timestamp" {
				found = append(found, w)
			}
		}
		return found
	}
	if got := warnings(TargetsLife - WarnBefore - time.Hour); len(got) != 0 {
		t.Errorf("too early: %v", got)
	}
	if got := warnings(TargetsLife - WarnBefore + time.Hour); len(got) != 2 || !strings.Contains(got[0], "in 13 days") {
		t.Errorf("got %v", got)
	}
	if got := warnings(TargetsLife + time.Hour); len(got) != 2 || !strings.Contains(got[0], "expired") {
		t.Errorf("got %v", got)
	}
	if got := warnings(RootLife - time.Hour); len(got) != 3 || !strings.Contains(got[0], "the root expires") {
		t.Errorf("got %v", got)
	}
}

// A copy without the hub's key is enough to sign; the hub then signs the rest.
func TestSignElsewhere(t *testing.T) {
	f := newFleet(t)
	_, err := f.Propose("stable", pack(t, rules("package stackpolicy.lib\n")), f.now, func(*Plan) {})
	must(t, err)
	key := filepath.Join(f.dir, "online.key")
	must(t, os.Rename(key, key+".away"))
	f.sign(t, 0, 1)
	if _, err := f.fetch(); err == nil {
		t.Error("a release without a timestamp was fetched")
	}
	must(t, os.Rename(key+".away", key))
	if changed, err := f.Refresh(f.now); err != nil || !changed {
		t.Error(changed, err)
	}
	if _, err := f.fetch(); err != nil {
		t.Error(err)
	}
}
