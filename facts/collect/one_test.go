package collect

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
)

// TestDefine: units that are managed or not, that exist or not, and an alias.
func TestDefine(t *testing.T) {
	env := testEnvironment(t)
	env.Config = config.Config{Units: []string{"managed.service"}}
	for _, name := range []string{"managed.service", "other.service", "other.service.d/a.conf", "web@.service"} {
		rewrite(t, filepath.Join(env.UnitDir(), name))
	}
	if err := os.Symlink("other.service", filepath.Join(env.UnitDir(), "alias.service")); err != nil {
		t.Fatal(err)
	}
	m := &fakeManager{
		units: map[string]systemd.Unit{"other.service": {ID: "other.service", LoadState: "loaded", FragmentPath: filepath.Join(env.UnitDir(), "other.service")}},
		listed: []systemd.Listed{
			{Name: "other.service", LoadState: "loaded"}, {Name: "made.slice", LoadState: "loaded"}, {Name: "named.service", LoadState: "not-found"},
		},
	}
	for asked, want := range map[string]string{
		"managed.service": "managed.service config managed.service", "other.service": "other.service  other.service a.conf",
		"alias.service": "other.service  other.service a.conf", "web@one.service": "web@one.service  web@.service", "web@.service": "web@.service  web@.service",
		"nothing.service": "nothing.service ",
	} {
		d, err := define(t.Context(), env, m.survey, asked)
		if err != nil {
			t.Errorf("%s: %v", asked, err)
			continue
		}
		got := []string{d.Unit.Name, d.Unit.ManagedBy}
		for _, f := range d.Unit.Files {
			if f.Kind != "missing" {
				got = append(got, filepath.Base(f.Path))
			}
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s: got %q, want %q", asked, g, want)
		}
		if known := []string{"alias.service", "made.slice", "managed.service", "other.service", "web@.service"}; !slices.Equal(d.Known, known) {
			t.Errorf("%s: known %q, want %q", asked, d.Known, known)
		}
	}
}

// TestDefineIsTheSame: a unit is the same as in the whole document.
func TestDefineIsTheSame(t *testing.T) {
	env := testEnvironment(t)
	env.Config = config.Config{Units: []string{"*.service"}}
	rewrite(t, filepath.Join(env.UnitDir(), "web.service"))
	rewrite(t, filepath.Join(env.UnitDir(), "web.service.d/a.conf"))
	m := &fakeManager{units: map[string]systemd.Unit{"web.service": {ID: "web.service", LoadState: "loaded", FragmentPath: filepath.Join(env.UnitDir(), "web.service")}}}
	whole := collect(t.Context(), env, m.survey)
	d, err := define(t.Context(), env, m.survey, "web.service")
	if err != nil || len(whole.Units) != 1 || len(d.Unit.Files) != 2 {
		t.Fatalf("%v, %d units, %+v", err, len(whole.Units), d.Unit)
	}
	if got, want := text(t, facts.Document{Units: []facts.Unit{d.Unit}}), text(t, facts.Document{Units: whole.Units}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestDefineFails: what could not be looked at is an error, also of a unit that is not managed.
func TestDefineFails(t *testing.T) {
	env := testEnvironment(t)
	silent := func(context.Context, context.Context, Environment) (surveyed, error) {
		return surveyed{}, errors.New("nobody answers")
	}
	if _, err := define(t.Context(), env, silent, "web.service"); err == nil || !strings.Contains(err.Error(), "nobody answers") {
		t.Errorf("without a manager: %v", err)
	}
	rewrite(t, filepath.Join(env.UnitDir(), "web.service"))
	m := &fakeManager{units: map[string]systemd.Unit{"web.service": {ID: "web.service", LoadState: "loaded", FragmentPath: filepath.Join(env.UnitDir(), "web.service")}}}
	if _, err := define(t.Context(), env, m.survey, "web.service"); err != nil {
		t.Fatal(err)
	}
	failing := func(ctx, limited context.Context, e Environment) (surveyed, error) {
		s, err := m.survey(ctx, limited, e)
		s.indexErr = errors.New("read unit folder: no")
		return s, err
	}
	if _, err := define(t.Context(), env, failing, "web.service"); err == nil || !strings.Contains(err.Error(), "read unit folder") {
		t.Errorf("without the folders: %v", err)
	}
}
