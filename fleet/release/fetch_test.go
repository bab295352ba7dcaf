package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/decide/policy"
)

func TestFetch(t *testing.T) {
	f := newFleet(t)
	if _, err := f.fetch(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before there is a release: %v", err)
	}
	for version := int64(1); version <= 3; version++ {
		text := fmt.Sprintf("package stackpolicy.lib\nversion := %d\n", version)
		f.release(t, text)
		got, err := f.fetch()
		if err != nil {
			t.Fatal(err)
		}
		files, err := Unpack(got.Bundle)
		if err != nil {
			t.Fatal(err)
		}
		if got.Plan.Version != version || got.Plan.Previous != version-1 || string(files[0].Text) != text {
			t.Errorf("got version %d after %d with %q", got.Plan.Version, got.Plan.Previous, files[0].Text)
		}
		f.now = f.now.Add(time.Hour)
	}
	if _, err := f.from(Folder(t.TempDir())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("from an empty folder: %v", err)
	}
}

// A bundle that the host has is not fetched again, and another host's channel is another one.
func TestFetchOnlyThePlan(t *testing.T) {
	f := newFleet(t)
	p := f.release(t, "package stackpolicy.lib\n")
	got, err := Fetch(context.Background(), Folder(f.Public()), f.trusted, "stable", f.now, func(q Plan) bool { return q.Bundle == p.Bundle })
	if err != nil || got.Bundle != nil || !got.Plan.Equal(p) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := Fetch(context.Background(), Folder(f.Public()), f.trusted, "edge", f.now, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a channel without a release: %v", err)
	}
}

// TestAttacks: who serves the files, also with the hub's online key, can hold back what is new
// until it expires, and nothing else.
func TestAttacks(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(t *testing.T, f *fleetOf) Fetcher
		want  error // nil: any
	}{
		"an old release": {func(t *testing.T, f *fleetOf) Fetcher {
			old := f.copy(t)
			f.next(t)
			return old
		}, ErrRollback},
		"an old release under a new timestamp": {func(t *testing.T, f *fleetOf) Fetcher {
			f.next(t)
			f.next(t)
			must(t, os.Remove(f.public("3.targets.json")), os.Remove(f.public("2.targets.json")))
			f.now = f.now.Add(time.Minute)
			must(t, f.refresh(f.now, true))
			return Folder(f.Public())
		}, ErrRollback},
		"a freeze": {func(t *testing.T, f *fleetOf) Fetcher {
			old := f.copy(t)
			f.next(t)
			f.trusted = trust(t, f.trusted["root.json"]) // a host that saw nothing newer
			f.now = f.now.Add(timestampLife)
			return old
		}, ErrExpired},
		"a bundle of another release": {func(t *testing.T, f *fleetOf) Fetcher {
			old := f.copy(t)
			f.next(t)
			return mixed(f.copy(t), old, ".1.tar.gz", ".2.tar.gz")
		}, ErrMixed},
		"a plan of another release": {func(t *testing.T, f *fleetOf) Fetcher {
			old := f.copy(t)
			f.next(t)
			return mixed(f.copy(t), old, ".plan.json", ".plan.json")
		}, ErrMixed},
		"targets of another time": {func(t *testing.T, f *fleetOf) Fetcher {
			f.next(t)
			f.trusted = trust(t, f.trusted["root.json"])
			s := f.copy(t)
			return s.with("2.targets.json", s["1.targets.json"])
		}, ErrMixed},
		"an edited plan": {func(t *testing.T, f *fleetOf) Fetcher {
			s := f.copy(t)
			for name, text := range s {
				if strings.HasSuffix(name, "plan.json") {
					s[name] = bytes.Replace(text, []byte(`"open_stage": 0`), []byte(`"open_stage": 4`), 1)
				}
			}
			return s
		}, ErrMixed},
		"targets that one has signed, with the hub's key": {func(t *testing.T, f *fleetOf) Fetcher {
			f.forge(t, f.people[:1])
			return Folder(f.Public())
		}, ErrSignatures},
		"targets that one has signed twice": {func(t *testing.T, f *fleetOf) Fetcher {
			f.forge(t, []SigningKey{f.people[0], f.people[0]})
			return Folder(f.Public())
		}, nil},
		"targets that strangers have signed": {func(t *testing.T, f *fleetOf) Fetcher {
			f.forge(t, []SigningKey{newPerson(t, "ada"), newPerson(t, "bob")})
			return Folder(f.Public())
		}, ErrSignatures},
		"targets by the hub's key alone": {func(t *testing.T, f *fleetOf) Fetcher {
			k, err := f.online()
			must(t, err)
			f.forge(t, []SigningKey{k})
			return Folder(f.Public())
		}, ErrSignatures},
		"another fleet": {func(t *testing.T, f *fleetOf) Fetcher {
			other := newFleet(t)
			other.release(t, "package stackpolicy.lib\n")
			return Folder(other.Public())
		}, ErrSignatures},
		"a root of strangers": {func(t *testing.T, f *fleetOf) Fetcher {
			other := newFleet(t)
			must(t, other.ChangeKeys(publicOf(other.people), 2, false, other.now))
			other.sign(t, 0, 1)
			s := f.copy(t)
			return s.with("2.root.json", other.copy(t)["2.root.json"])
		}, ErrSignatures},
		"a bundle without end": {func(t *testing.T, f *fleetOf) Fetcher {
			s := f.copy(t)
			for name := range s {
				if strings.HasSuffix(name, ".tar.gz") {
					s[name] = bytes.Repeat([]byte{0}, 2*MaxBundle)
				}
			}
			return s
		}, ErrTooLarge},
		"a timestamp without end": {func(t *testing.T, f *fleetOf) Fetcher {
			return f.copy(t).with("timestamp.json", bytes.Repeat([]byte{' '}, 1<<20))
		}, ErrTooLarge},
		"a root without end": {func(t *testing.T, f *fleetOf) Fetcher {
			return f.copy(t).with("2.root.json", bytes.Repeat([]byte{' '}, 1<<20))
		}, ErrTooLarge},
		"nothing": {func(t *testing.T, f *fleetOf) Fetcher { return served{} }, fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			f.next(t)
			source := c.serve(t, f)
			got, err := f.from(source)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("got release %d and %v, want %v", got.Plan.Version, err, c.want)
			}
			t.Log(err)
		})
	}
}

// next publishes a release, and the host fetches it.
func (f *fleetOf) next(t *testing.T) {
	t.Helper()
	f.now = f.now.Add(time.Minute)
	f.release(t, fmt.Sprintf("package stackpolicy.lib\nat := %d\n", f.now.Unix()))
	if _, err := f.fetch(); err != nil {
		t.Fatal(err)
	}
}

// forge publishes a release that these keys have signed, with the hub's key.
func (f *fleetOf) forge(t *testing.T, keys []SigningKey) {
	t.Helper()
	_, err := f.Propose("stable", pack(t, rules("package stackpolicy.evil\n")), f.now, func(p *Plan) { p.OpenStage = len(p.Stages) })
	must(t, err)
	targets, err := f.nextTargets()
	must(t, err)
	for _, k := range keys {
		twice := slices.Clone(targets.Signatures)
		must(t, sign(targets, k))
		if len(twice) == len(targets.Signatures) {
			targets.Signatures = append(targets.Signatures, twice...)
		}
	}
	f.now = f.now.Add(time.Minute)
	must(t, f.publishTargets(targets), f.refresh(f.now, true))
}

// mixed serves files of another release under the names of the present ones.
func mixed(now, old served, was, is string) served {
	var text []byte
	for name := range old {
		if strings.HasSuffix(name, was) {
			text = old[name]
		}
	}
	for name := range now {
		if strings.HasSuffix(name, is) {
			if _, isOld := old[name]; !isOld {
				now[name] = text
			}
		}
	}
	return now
}

// Keys change: one was lost, then all are others; a host that was away meanwhile follows. The
// old keys are worth nothing then.
func TestChangeKeys(t *testing.T) {
	f := newFleet(t)
	f.next(t)
	old := slices.Clone(f.people)
	f.people[2] = newPerson(t, "dan")
	must(t, f.ChangeKeys(publicOf(f.people), 2, false, f.now))
	f.sign(t, 2)
	if _, published, err := f.Sign(f.people[0], f.now); err != nil || published {
		t.Fatalf("one of the keys of now has signed: published %v, %v", published, err)
	}
	f.sign(t, 1)
	if got, err := f.fetch(); err != nil || got.Plan.Version != 1 {
		t.Fatalf("after the change: %v, %v", got.Plan, err)
	}
	away := Trusted{"root.json": f.copy(t)["1.root.json"]}
	f.next(t)
	f.trusted = away
	if got, err := f.fetch(); err != nil || got.Plan.Version != 2 {
		t.Fatalf("a host that was away: %v, %v", got.Plan, err)
	}
	if _, _, err := f.Sign(old[2], f.now); err == nil {
		t.Error("nothing waits, and was signed")
	}
	f.forge(t, []SigningKey{old[0], old[2]})
	if _, err := f.fetch(); !errors.Is(err, ErrSignatures) {
		t.Errorf("a key that was taken away: %v", err)
	}
}

// The hub's key was stolen or lost: another one takes its place, and what the thief signs with
// versions far ahead is forgotten.
func TestNewOnlineKey(t *testing.T) {
	f := newFleet(t)
	f.next(t)
	must(t, f.refresh(f.now.Add(100*24*time.Hour), true))
	if _, err := f.fetch(); err != nil {
		t.Fatal(err)
	}
	must(t, f.ChangeKeys(publicOf(f.people), 2, true, f.now))
	must(t, os.Remove(f.public("timestamp.json")))
	f.sign(t, 0, 1)
	f.now = f.now.Add(time.Minute)
	f.release(t, "package stackpolicy.lib\n")
	if got, err := f.fetch(); err != nil || got.Plan.Version != 2 {
		t.Errorf("got %v, %v", got.Plan, err)
	}
}

// A restored backup of the repository gives no older versions than the hosts know.
func TestRestoredRepository(t *testing.T) {
	f := newFleet(t)
	f.next(t)
	backup := f.copy(t)["timestamp.json"]
	f.now = f.now.Add(timestampLife)
	if changed, err := f.Refresh(f.now); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if _, err := f.fetch(); err != nil {
		t.Fatal(err)
	}
	must(t, f.write(f.public("timestamp.json"), backup))
	f.now = f.now.Add(time.Hour)
	if _, err := f.Refresh(f.now); err != nil {
		t.Fatal(err)
	}
	if _, err := f.fetch(); err != nil {
		t.Error(err)
	}
}

// The hub signs the timestamp again only when it is time.
func TestRefresh(t *testing.T) {
	f := newFleet(t)
	f.next(t)
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{time.Hour, false}, {timestampLife / 4, false}, {timestampLife / 2, true}, {time.Hour, false}, {TargetsLife, true}} {
		f.now = f.now.Add(c.after)
		if changed, err := f.Refresh(f.now); err != nil || changed != c.want {
			t.Errorf("after %s: %v, %v, want %v", c.after, changed, err, c.want)
		}
	}
	if _, err := f.fetch(); !errors.Is(err, ErrExpired) {
		t.Errorf("the people's signatures have expired, which the hub cannot renew: %v", err)
	}
}

// Messages asks for one subject a file, and a file that is too large is not taken.
func TestMessages(t *testing.T) {
	f := newFleet(t)
	f.release(t, "package stackpolicy.lib\n")
	stream := map[string][]byte{}
	must(t, f.Files(func(name string, text []byte) error {
		m := Messages{Org: "home", Last: func(_ context.Context, subject string) ([]byte, error) { stream[subject] = text; return text, nil }}
		_, err := m.File(context.Background(), name, MaxBundle)
		return err
	}))
	m := Messages{Org: "home", Last: func(_ context.Context, subject string) ([]byte, error) {
		if text, has := stream[subject]; has {
			return text, nil
		}
		return nil, fs.ErrNotExist
	}}
	if stream["release.home.timestamp%2Ejson"] == nil {
		t.Errorf("no timestamp in %d subjects", len(stream))
	}
	if got, err := f.from(m); err != nil || got.Plan.Version != 1 {
		t.Errorf("got %v, %v", got.Plan, err)
	}
	if _, err := m.File(context.Background(), "timestamp.json", 10); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file that is too large: %v", err)
	}
}

func TestPolicyFilesThatAreBuiltInAreNotPacked(t *testing.T) {
	a := pack(t, rules("package stackpolicy.lib\n"))
	b := pack(t, append(rules("package stackpolicy.lib\n"), policy.File{Name: "other.rego", Builtin: true}))
	if !bytes.Equal(a, b) {
		t.Error("the bundles differ")
	}
}
