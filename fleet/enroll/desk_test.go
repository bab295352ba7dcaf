package enroll_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/enroll"
	"stackpolicy/fleet/registry"
)

// A token is of the host that asks first. A second one is refused, and the operator is told.
func TestASecondHostWithTheToken(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.desk(t, "web", time.Hour)
	asked, decided := make(chan struct{}), make(chan bool)
	d.Confirm = func(context.Context, enroll.Request) (bool, error) {
		close(asked)
		return <-decided, nil
	}
	a := h.await(t, d)
	first := make(chan error, 1)
	go func() {
		_, err := enroll.Join(t.Context(), d.Token, h.joining(t))
		first <- err
	}()
	<-asked
	thief := h.joining(t)
	thief.Hostname = "thief"
	if _, err := enroll.Join(t.Context(), d.Token, thief); err == nil || !strings.Contains(err.Error(), "used by another host") {
		t.Errorf("the second: %v", err)
	}
	close(decided) // no
	if err := <-first; err == nil || !strings.Contains(err.Error(), "not confirmed") {
		t.Errorf("the first: %v", err)
	}
	if _, err := a.wait(t); !errors.Is(err, enroll.ErrNotConfirmed) {
		t.Errorf("the desk: %v", err)
	}
	if a.mu.Lock(); len(a.told) != 1 || !strings.Contains(a.told[0], `"thief"`) {
		t.Errorf("the operator is told %q", a.told)
	}
	a.mu.Unlock()
}

// A source is enrolled once; its key that was revoked never again, another key is.
func TestEnrolledAlready(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	first := h.member(t)
	join := func(stateHome, want string) {
		t.Helper()
		d := h.desk(t, "web", time.Hour)
		d.Confirm = confirm(true)
		h.await(t, d)
		j := h.joining(t)
		if stateHome != "" {
			j.StateHome = stateHome
			if err := os.Remove(enroll.MemberPath(stateHome)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		_, err := enroll.Join(t.Context(), d.Token, j)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	join("", "first: stackfleet revoke web --user alice")
	if err := os.Rename(enroll.NkeyPath(first), enroll.NkeyPath(first)+".kept"); err != nil {
		t.Fatal(err)
	}
	join(first, "another key of its connection")
	if err := os.Rename(enroll.NkeyPath(first)+".kept", enroll.NkeyPath(first)); err != nil {
		t.Fatal(err)
	}
	id, err := h.registry.Find(t.Context(), fleet.Source{Org: "home", Host: "web", User: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	id.Revoked = &now
	if err := h.registry.Put(t.Context(), h.keys.Registry, id); err != nil {
		t.Fatal(err)
	}
	join(first, "give --new-key")
	join("", "can still connect")
	if _, err := h.keys.Revoke("", id.Connection, now); err != nil {
		t.Fatal(err)
	}
	if err := enroll.PutAside(first); err != nil {
		t.Fatal(err)
	}
	join(first, "")
}

// What is no request is ignored, whoever has the token.
func TestGarbageAtTheDesk(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.desk(t, "web", time.Hour)
	d.Confirm = confirm(true)
	a := h.await(t, d)
	key, err := fleet.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := fleet.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	s := fleet.Source{Org: "home", Host: "web", User: "alice"}
	stolen, err := key.Sign("enrolment-request", s, enroll.Request{User: "alice", Key: other.Public()})
	if err != nil {
		t.Fatal(err)
	}
	another, err := key.Sign("enrolment-request", s, enroll.Request{User: "bob", Key: key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	long, err := key.Sign("enrolment-request", s, enroll.Request{User: "alice", Key: key.Public(), Hostname: strings.Repeat("x", 300)})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]any{
		"a long name": map[string]any{"user": "alice", "key": key.Public(), "signed": long},
		"no JSON":     "\x00", "nothing": map[string]any{}, "no signature": map[string]any{"user": "alice", "key": key.Public()},
		"a key that it has not": map[string]any{"user": "alice", "key": other.Public(), "signed": stolen},
		"another's key inside":  map[string]any{"user": "alice", "key": key.Public(), "signed": stolen},
		"another account":       map[string]any{"user": "alice", "key": key.Public(), "signed": another},
		"no account":            map[string]any{"user": "", "key": key.Public(), "signed": another},
	} {
		text, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		m, err := h.own.Request("enroll."+d.Token.ID, text, 5*time.Second)
		if err != nil || !strings.Contains(string(m.Data), "refused") {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	if _, err := enroll.Join(t.Context(), d.Token, h.joining(t)); err != nil {
		t.Errorf("the host itself: %v", err)
	}
	if _, err := a.wait(t); err != nil {
		t.Error(err)
	}
	if all, err := h.registry.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

// A registry lists what its key signed, and says what it cannot read.
func TestRegistryOfTheHub(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	if all, err := h.registry.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("an empty one: %v, %v", all, err)
	}
	h.member(t)
	foreign, err := fleet.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	bad := fleet.Identity{Source: fleet.Source{Org: "home", Host: "db", User: "alice"}}
	if err := h.registry.Put(t.Context(), foreign, bad); err != nil {
		t.Fatal(err)
	}
	all, err := h.registry.List(t.Context())
	if len(all) != 1 || err == nil || !strings.Contains(err.Error(), "identity.home.db.alice") {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := h.registry.Find(t.Context(), fleet.Source{Org: "home", Host: "none", User: "alice"}); !errors.Is(err, registry.ErrNotEnrolled) {
		t.Errorf("never enrolled: %v", err)
	}
}
