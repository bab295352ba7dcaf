package release

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fleetOf is a repository of three people, of whom two must sign, and a host that trusts it.
type fleetOf struct {
	Repository
	people  []SigningKey
	now     time.Time
	trusted Trusted
}

func newFleet(t testing.TB) *fleetOf {
	t.Helper()
	f := &fleetOf{Repository: At(filepath.Join(t.TempDir(), "release")), now: noon}
	for _, name := range []string{"ada", "bob", "eve"} {
		f.people = append(f.people, newPerson(t, name))
	}
	if err := f.Init(publicOf(f.people), 2, f.now); err != nil {
		t.Fatal(err)
	}
	f.sign(t, 0, 1)
	root, err := f.Root()
	if err != nil {
		t.Fatal(err)
	}
	f.trusted = trust(t, root)
	return f
}

func trust(t testing.TB, root []byte) Trusted {
	t.Helper()
	trusted, err := Trust(root)
	if err != nil {
		t.Fatal(err)
	}
	return trusted
}

func newPerson(t testing.TB, name string) SigningKey {
	t.Helper()
	k, err := NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func publicOf(keys []SigningKey) (public []PublicKey) {
	for _, k := range keys {
		public = append(public, k.PublicKey)
	}
	return public
}

func (f *fleetOf) sign(t testing.TB, people ...int) {
	t.Helper()
	for _, i := range people {
		if _, _, err := f.Sign(f.people[i], f.now); err != nil {
			t.Fatal(err)
		}
	}
}

// release publishes rules.
func (f *fleetOf) release(t testing.TB, text string) Plan {
	t.Helper()
	p, err := f.Propose("stable", pack(t, rules(text)), f.now, func(*Plan) {})
	if err != nil {
		t.Fatal(err)
	}
	f.sign(t, 0, 2)
	return p
}

// fetch fetches as the host does.
func (f *fleetOf) fetch() (Fetched, error) { return f.from(Folder(f.Public())) }

func (f *fleetOf) from(source Fetcher) (Fetched, error) {
	return Fetch(context.Background(), source, f.trusted, "stable", f.now, func(Plan) bool { return false })
}

// copy is a copy of what hosts can read now, for an attacker to serve later.
func (f *fleetOf) copy(t testing.TB) served {
	t.Helper()
	s := served{}
	if err := f.Files(func(name string, text []byte) error { s[name] = text; return nil }); err != nil {
		t.Fatal(err)
	}
	return s
}

// served are files that somebody serves.
type served map[string][]byte

func (s served) File(_ context.Context, name string, _ int64) ([]byte, error) {
	text, has := s[name]
	if !has {
		return nil, os.ErrNotExist
	}
	return text, nil
}

func (s served) with(name string, text []byte) served {
	other := maps.Clone(s)
	other[name] = text
	return other
}
