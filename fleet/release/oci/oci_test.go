package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/fleet/release"
	"stackpolicy/lab/ociregistry"
)

type fleetOf struct {
	release.Repository
	keys    []release.SigningKey
	trusted release.Trusted
	now     time.Time
}

func newFleet(t *testing.T) *fleetOf {
	t.Helper()
	f := &fleetOf{Repository: release.At(filepath.Join(t.TempDir(), "release")), now: time.Now()}
	var public []release.PublicKey
	for _, name := range []string{"ada", "bob", "eve"} {
		k, err := release.NewKey(name)
		if err != nil {
			t.Fatal(err)
		}
		f.keys, public = append(f.keys, k), append(public, k.PublicKey)
	}
	if err := f.Init(public, 2, f.now); err != nil {
		t.Fatal(err)
	}
	f.sign(t)
	root, err := f.Root()
	if err != nil {
		t.Fatal(err)
	}
	if f.trusted, err = release.Trust(root); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fleetOf) sign(t *testing.T) {
	t.Helper()
	for _, k := range f.keys[:2] {
		if _, _, err := f.Sign(k, f.now); err != nil {
			t.Fatal(err)
		}
	}
}

func (f *fleetOf) release(t *testing.T, text string) {
	t.Helper()
	bundle, err := release.Pack([]policy.File{{Name: "main.rego", Text: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Propose("stable", bundle, f.now, func(*release.Plan) {}); err != nil {
		t.Fatal(err)
	}
	f.sign(t)
}

// TestRegistry: through a real registry a host gets each release that was pushed, and nothing
// older than what it had.
func TestRegistry(t *testing.T) {
	reference := ociregistry.Start(t) + "/rules/home"
	f := newFleet(t)
	fetch := func() (release.Fetched, error) {
		r, err := Open(reference)
		if err != nil {
			t.Fatal(err)
		}
		return release.Fetch(t.Context(), r, f.trusted, "stable", f.now, func(release.Plan) bool { return false })
	}
	if _, err := fetch(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before anything was pushed: %v", err)
	}
	push := func(from release.Repository) {
		t.Helper()
		r, err := Open(reference)
		if err == nil {
			err = r.Push(t.Context(), from)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var before string
	for version := int64(1); version <= 2; version++ {
		f.release(t, fmt.Sprintf("package stackpolicy\nversion := %d\n", version))
		push(f.Repository)
		got, err := fetch()
		if err != nil || got.Plan.Version != version {
			t.Fatalf("got version %d, %v", got.Plan.Version, err)
		}
		if version == 1 {
			before = filepath.Join(t.TempDir(), "before")
			if err := os.CopyFS(before, os.DirFS(filepath.Dir(f.Public()))); err != nil {
				t.Fatal(err)
			}
		}
		f.now = f.now.Add(time.Minute)
	}
	push(release.At(before))
	if _, err := fetch(); !errors.Is(err, release.ErrRollback) {
		t.Errorf("the registry was set back: %v", err)
	}
	other := newFleet(t)
	other.release(t, "package stackpolicy\n")
	push(other.Repository)
	if _, err := fetch(); !errors.Is(err, release.ErrSignatures) {
		t.Errorf("somebody else's releases: %v", err)
	}
}

// TestNotReleases: an image, or a registry that is away, is an error that says so.
func TestNotReleases(t *testing.T) {
	r, err := Open("127.0.0.1:1/rules/home")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := r.File(ctx, "timestamp.json", 1000); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a registry that is away is not one without releases: %v", err)
	}
	for _, wrong := range []string{"", "home", "registry.example.org/Rules", "registry.example.org/rules@sha256:0000000000000000000000000000000000000000000000000000000000000000"} {
		if _, err := Open(wrong); err == nil {
			t.Errorf("%q: no error", wrong)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{"localhost:5000": true, "127.0.0.1": true, "[::1]:5000": true, "registry.example.org": false, "127.0.0.1.example.org:80": false} {
		if got := isLoopback(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}
