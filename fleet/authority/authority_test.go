package authority

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"stackpolicy/fleet"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func made(t *testing.T) (data string, a *Authority) {
	t.Helper()
	data = t.TempDir()
	a, err := Make(data, "home lab")
	if err != nil {
		t.Fatal(err)
	}
	return data, a
}

func nkey(t *testing.T) string {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// Keys are made once, all or none, and nobody else may read them.
func TestMakeOnce(t *testing.T) {
	data, a := made(t)
	again, err := Open(data)
	if err != nil || again.Org != "home lab" || again.Hosts != a.Hosts || again.Registry.Public().Fingerprint() != a.Registry.Public().Fingerprint() {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := Make(data, "other"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made again: %v", err)
	}
	if left, _ := os.ReadDir(data); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	entries, err := os.ReadDir(Folder(data))
	if err != nil || len(entries) != 12 {
		t.Errorf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if err := os.Chmod(Folder(data), 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(data); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("a group may read them: %v", err)
	}
}

// Where something is missing or impossible, no keys are made or used.
func TestRefuses(t *testing.T) {
	if _, err := Open(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no keys: %v", err)
	}
	for _, org := range []string{"", strings.Repeat("x", 65)} {
		if _, err := Make(t.TempDir(), org); err == nil {
			t.Errorf("keys of %q", org)
		}
	}
	if _, err := Make(filepath.Join(t.TempDir(), "none"), "home"); err == nil {
		t.Error("keys in a folder that does not exist")
	}
	for _, name := range []string{registryKey, archiveKey, operatorFile, hostsFile} {
		data, _ := made(t)
		if err := os.Remove(filepath.Join(Folder(data), name)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(data); err == nil || !strings.Contains(err.Error(), "from a backup") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// A host's JWT names it as its subject does, and has no permissions of its own.
func TestHost(t *testing.T) {
	_, a := made(t)
	public := nkey(t)
	text, err := a.Host(fleet.Source{Org: "home lab", Host: "web.example", User: "*"}, public)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := jwt.DecodeUserClaims(text)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Name != "home%20lab.web%2Eexample.%2A" || claims.Subject != public || claims.IssuerAccount != a.Hosts.ID || !claims.HasEmptyPermissions() || claims.Expires != 0 {
		t.Errorf("%+v", claims)
	}
	for name, s := range map[string]fleet.Source{"another organisation": {Org: "x", Host: "web", User: "alice"}, "no name": {Org: "home lab", User: "alice"}} {
		if _, err := a.Host(s, public); err == nil {
			t.Errorf("%s: it gets a JWT", name)
		}
	}
	if _, err := a.Host(fleet.Source{Org: "home lab", Host: "web", User: "alice"}, a.Fleet.ID); err == nil {
		t.Error("a JWT for the key of an account")
	}
}

// The account of hosts has scoped keys only: nobody can sign a host that may do more. Its own
// seed is nowhere.
func TestNobodyCanSignMore(t *testing.T) {
	data, a := made(t)
	claims, err := jwt.DecodeAccountClaims(a.Hosts.JWT)
	if err != nil {
		t.Fatal(err)
	}
	if len(claims.SigningKeys) != 2 {
		t.Errorf("%d keys sign", len(claims.SigningKeys))
	}
	for key, scope := range claims.SigningKeys {
		user, isUser := scope.(*jwt.UserScope)
		if !isUser || len(user.Template.Pub.Allow) == 0 || !slices.Equal(user.Template.Sub.Allow, []string{inbox}) || user.Template.Subs <= 0 || user.Template.NatsLimits.Payload <= 0 {
			t.Errorf("%s: %+v", key, scope)
		}
	}
	entries, _ := os.ReadDir(Folder(data))
	for _, e := range entries {
		pair, err := readSeed(filepath.Join(Folder(data), e.Name()))
		if err != nil {
			continue
		}
		if public, _ := pair.PublicKey(); public == a.Hosts.ID {
			t.Errorf("%s has the seed of the account of hosts", e.Name())
		}
	}
}

// A revocation needs the operator's key, which may be elsewhere, and is kept.
func TestRevoke(t *testing.T) {
	data, a := made(t)
	offline := filepath.Join(t.TempDir(), "operator.nk")
	if err := os.Rename(filepath.Join(Folder(data), operatorKey), offline); err != nil {
		t.Fatal(err)
	}
	a, err := Open(data)
	if err != nil {
		t.Fatalf("without the operator's key: %v", err)
	}
	first, second := nkey(t), nkey(t)
	if _, err := a.Revoke("", first, noon); !errors.Is(err, ErrNoOperator) || !strings.Contains(err.Error(), "--operator-key") {
		t.Errorf("without its key: %v", err)
	}
	for name, path := range map[string]string{"a key of an account": filepath.Join(Folder(data), accountKey), "another operator's": func() string {
		other, _ := made(t)
		return filepath.Join(Folder(other), operatorKey)
	}(), "no key": filepath.Join(Folder(data), operatorFile)} {
		if _, err := a.Revoke(path, first, noon); err == nil {
			t.Errorf("with %s it revokes", name)
		}
	}
	for _, key := range []string{first, second} {
		if _, err := a.Revoke(offline, key, noon); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	if is, err := again.IsRevoked(nkey(t)); is || err != nil {
		t.Errorf("another key is revoked: %v", err)
	}
	claims, err := jwt.DecodeAccountClaims(again.Hosts.JWT)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{first, second} {
		if is, err := again.IsRevoked(key); !is || err != nil {
			t.Errorf("%s is not revoked: %v", key, err)
		}
		if !claims.Revocations.IsRevoked(key, noon) || claims.Revocations.IsRevoked(key, noon.Add(time.Second)) {
			t.Errorf("%s: %v", key, claims.Revocations)
		}
	}
}
