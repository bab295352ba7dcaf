package enroll

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"stackpolicy/fleet"
)

// FuzzToken: no line makes it panic, and what is taken for a token is one.
func FuzzToken(f *testing.F) {
	key, err := fleet.NewKey()
	if err != nil {
		f.Fatal(err)
	}
	t, err := NewToken(Token{URLs: []string{"tls://hub:4222"}, Org: "home", Host: "web", Registry: key.Public(), Archive: key.Public()}, time.Now(),
		func(string, string, time.Time) (string, error) { return "a.b.c", nil })
	if err != nil {
		f.Fatal(err)
	}
	f.Add(t.String())
	f.Add("")
	f.Add("e30")
	f.Fuzz(func(t *testing.T, line string) {
		token, err := ParseToken(line)
		if err != nil {
			return
		}
		if again, err := ParseToken(token.String()); err != nil || again.String() != token.String() {
			t.Errorf("%+v: %v", again, err)
		}
	})
}

// FuzzRequest: no message makes the desk panic or take a request that its key did not sign.
func FuzzRequest(f *testing.F) {
	key, err := fleet.NewKey()
	if err != nil {
		f.Fatal(err)
	}
	s := fleet.Source{Org: "home", Host: "web", User: "alice"}
	good, err := Request{User: "alice", Key: key.Public()}.seal(key, s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, of, err := openRequest(data, "home", "web")
		if err == nil && (r.User != of.User || len(r.Key) != 32) {
			t.Errorf("%+v of %+v", r, of)
		}
	})
}

// FuzzMember: no content of fleet.json makes it panic.
func FuzzMember(f *testing.F) {
	f.Add([]byte(`{"org":"home","host":"web","user":"alice","urls":["tls://hub:4222"],"pin":"","jwt":"a.b.c"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		home := t.TempDir()
		if err := os.MkdirAll(filepath.Dir(MemberPath(home)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(MemberPath(home), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if m, err := ReadMember(home); err == nil && (len(m.URLs) == 0 || m.Host == "") {
			t.Errorf("%+v", m)
		}
	})
}
