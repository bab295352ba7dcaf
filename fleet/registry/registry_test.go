package registry_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet"
	"stackpolicy/fleet/registry"
	"stackpolicy/lab/hub"
)

func open(t *testing.T) (registry.Registry, fleet.Key) {
	t.Helper()
	h := hub.New(t)
	conn := h.Own()
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return registry.Registry{JetStream: js, Org: hub.Org, Key: h.Keys.Registry.Public()}, h.Keys.Registry
}

func identity(t *testing.T, host, user string) fleet.Identity {
	t.Helper()
	key, err := fleet.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return fleet.Identity{Source: fleet.Source{Org: hub.Org, Host: host, User: user}, Key: key.Public(), Connection: "U", Enrolled: time.Unix(1_700_000_000, 0).UTC()}
}

// What was put is found and listed, by host and user; the last of a source counts.
func TestPut(t *testing.T) {
	r, key := open(t)
	if all, err := r.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	web, bob, ada := identity(t, "web", "ada"), identity(t, "attic", "bob"), identity(t, "attic", "ada")
	revoked := web
	at := time.Unix(1_700_000_100, 0).UTC()
	revoked.Revoked = &at
	for _, id := range []fleet.Identity{web, bob, ada, revoked} {
		if err := r.Put(t.Context(), key, id); err != nil {
			t.Fatal(err)
		}
	}
	all, err := r.List(t.Context())
	if err != nil || len(all) != 3 || all[0].Source != ada.Source || all[1].Source != bob.Source || all[2].Revoked == nil {
		t.Errorf("%v, %v", all, err)
	}
	if id, err := r.Find(t.Context(), web.Source); err != nil || id.Revoked == nil {
		t.Errorf("%v, %v", id, err)
	}
	other := web.Source
	other.Host = "other"
	if _, err := r.Find(t.Context(), other); !errors.Is(err, registry.ErrNotEnrolled) {
		t.Errorf("of a host that nobody enrolled: %v", err)
	}
}

// An identity that another key signed, or that is about another source, is an error and hides no
// other.
func TestForeign(t *testing.T) {
	r, key := open(t)
	stranger, err := fleet.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	web, db, mail := identity(t, "web", "ada"), identity(t, "db", "ada"), identity(t, "mail", "ada")
	if err := errors.Join(r.Put(t.Context(), key, web), r.Put(t.Context(), stranger, db)); err != nil {
		t.Fatal(err)
	}
	moved, err1 := key.Sign(fleet.IdentityKind, web.Source, web)
	subject, err2 := fleet.StatementSubject(fleet.IdentityKind, mail.Source)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if _, err := r.JetStream.Publish(t.Context(), subject, moved); err != nil {
		t.Fatal(err)
	}
	all, err := r.List(t.Context())
	if len(all) != 1 || all[0].Source != web.Source {
		t.Errorf("%v", all)
	}
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("want an error for each of two: %v", err)
	}
	for _, s := range []fleet.Source{db.Source, mail.Source} {
		if _, err := r.Find(t.Context(), s); err == nil || errors.Is(err, registry.ErrNotEnrolled) {
			t.Errorf("%s: %v", s.Host, err)
		}
	}
}
