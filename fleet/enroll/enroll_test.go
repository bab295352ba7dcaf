package enroll_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/enroll"
)

func (h *hub) joining(t *testing.T) enroll.Joining {
	return enroll.Joining{StateHome: t.TempDir(), User: "alice", Hostname: "web-1", Program: "1.0", Tell: func(string) {}}
}

// awaiting is a desk that runs.
type awaiting struct {
	done chan struct{}
	id   fleet.Identity
	err  error
	told []string
	mu   sync.Mutex
}

func (a *awaiting) wait(t *testing.T) (fleet.Identity, error) {
	t.Helper()
	select {
	case <-a.done:
		return a.id, a.err
	case <-time.After(10 * time.Second):
		t.Fatal("the desk does not end")
		return fleet.Identity{}, nil
	}
}

func (a *awaiting) tell(line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = append(a.told, line)
}

// await runs a desk until the test ends.
func (h *hub) await(t *testing.T, d enroll.Desk) *awaiting {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a := &awaiting{done: make(chan struct{})}
	d.Tell = a.tell
	listens := make(chan struct{})
	d.Ready = func() error { close(listens); return nil }
	go func() {
		defer close(a.done)
		a.id, a.err = d.Await(ctx)
	}()
	t.Cleanup(func() { cancel(); <-a.done })
	select {
	case <-listens:
	case <-a.done: // the token has expired
	}
	return a
}

func confirm(yes bool) func(context.Context, enroll.Request) (bool, error) {
	return func(context.Context, enroll.Request) (bool, error) { return yes, nil }
}

// A host with a token gets what it needs, connects, and may send its evidence. The registry has
// its keys. Run again it changes nothing.
func TestJoin(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.desk(t, "web", time.Hour)
	var asked enroll.Request
	d.Confirm = func(_ context.Context, r enroll.Request) (bool, error) { asked = r; return true, nil }
	d.ReleaseRoot = []byte(`{"signed": 1}`)
	a := h.await(t, d)
	token, err := enroll.ParseToken(" " + d.Token.String() + "\n")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the token has %d bytes", len(d.Token.String()))
	j := h.joining(t)
	m, err := enroll.Join(t.Context(), token, j)
	if err != nil {
		t.Fatal(err)
	}
	id, err := a.wait(t)
	if err != nil {
		t.Fatal(err)
	}
	key, err := fleet.ReadKey(fleet.KeyPath(j.StateHome))
	if err != nil {
		t.Fatal(err)
	}
	if want := (fleet.Source{Org: "home", Host: "web", User: "alice"}); m.Source != want || id.Source != want || string(id.Key) != string(key.Public()) ||
		asked.Hostname != "web-1" || asked.Key.Fingerprint() != key.Public().Fingerprint() || string(m.ReleaseRoot) != `{"signed": 1}` {
		t.Errorf("%+v, %+v, asked %+v", m, id, asked)
	}
	if known, err := h.registry.Find(t.Context(), m.Source); err != nil || known.Connection != id.Connection {
		t.Errorf("the registry: %+v, %v", known, err)
	}
	again, err := enroll.ReadMember(j.StateHome)
	if err != nil || again.JWT != m.JWT {
		t.Errorf("fleet.json: %+v, %v", again, err)
	}
	for _, path := range []string{enroll.MemberPath(j.StateHome), enroll.NkeyPath(j.StateHome), fleet.KeyPath(j.StateHome)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	h.publishes(t, j.StateHome, again, true)

	if same, err := enroll.Join(t.Context(), token, j); err != nil || same.JWT != m.JWT {
		t.Errorf("run again: %v", err)
	}
}

// publishes wants that a member may send its evidence, or that its connection is refused.
func (h *hub) publishes(t *testing.T, stateHome string, m enroll.Member, may bool) {
	t.Helper()
	c, err := enroll.Connect(t.Context(), stateHome, m)
	if err == nil {
		defer c.Close()
		var subject string
		subject, err = m.Subject()
		if err == nil {
			_, err = c.Request(subject, []byte("x"), 5*time.Second)
		}
	}
	if (err == nil) != may {
		t.Errorf("it publishes: %v, want %t", err, may)
	}
}

// A host that was killed at any step is enrolled when it is run again, with the keys that it
// made first.
func TestJoinAgainAfterAKill(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for name, left := range map[string][]string{
		"with the key of its evidence": {"fleet.key"},
		"with both keys":               {"fleet.key", "fleet.nk"},
	} {
		t.Run(name, func(t *testing.T) {
			d := h.desk(t, strings.ReplaceAll(name, " ", "-"), time.Hour)
			d.Confirm = confirm(true)
			a := h.await(t, d)
			j := h.joining(t)
			// The first run gets to the hub's answer, and does not keep it.
			first := j
			if err := os.MkdirAll(j.StateHome+"/stackpolicy", 0o700); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			first.Tell = func(string) { cancel() }
			if _, err := enroll.Join(ctx, d.Token, first); err == nil {
				t.Fatal("it was not killed")
			}
			keep(t, j.StateHome+"/stackpolicy", left)
			before, err := fleet.ReadKey(fleet.KeyPath(j.StateHome))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := enroll.Join(t.Context(), d.Token, j); err != nil {
				t.Fatal(err)
			}
			if id, err := a.wait(t); err != nil || string(id.Key) != string(before.Public()) {
				t.Errorf("%+v, %v", id, err)
			}
		})
	}
}

func keep(t *testing.T, dir string, names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.Contains(strings.Join(names, " "), e.Name()) {
			if err := os.Remove(dir + "/" + e.Name()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The hub's answer reached the disk of the hub but not the host: the same token gives it again.
func TestTheAnswerIsGivenAgain(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.desk(t, "web", time.Hour)
	d.Confirm = confirm(true)
	a := h.await(t, d)
	j := h.joining(t)
	if _, err := enroll.Join(t.Context(), d.Token, j); err != nil {
		t.Fatal(err)
	}
	if _, err := a.wait(t); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(enroll.MemberPath(j.StateHome)); err != nil {
		t.Fatal(err)
	}
	if _, err := enroll.Join(t.Context(), d.Token, j); err == nil || !strings.Contains(err.Error(), "nobody waits for this token") || !strings.Contains(err.Error(), "stackfleet enroll web") {
		t.Errorf("a token that was used: %v", err)
	}
	next := h.desk(t, "web", time.Hour)
	next.Confirm = confirm(true)
	b := h.await(t, next)
	m, err := enroll.Join(t.Context(), next.Token, j)
	if err != nil {
		t.Fatalf("the same key once more: %v", err)
	}
	if _, err := b.wait(t); err != nil {
		t.Error(err)
	}
	h.publishes(t, j.StateHome, m, true)
}

// Each mistake is refused with what to do, and leaves no fleet.json.
func TestJoinRefuses(t *testing.T) {
	t.Parallel()
	h, other := newHub(t), newHub(t)
	for name, c := range map[string]struct {
		change func(*testing.T, *enroll.Desk, *enroll.Token, *enroll.Joining)
		want   string
	}{
		"not confirmed": {func(_ *testing.T, d *enroll.Desk, _ *enroll.Token, _ *enroll.Joining) { d.Confirm = confirm(false) }, "not confirmed"},
		"a wrong pin":   {func(_ *testing.T, _ *enroll.Desk, to *enroll.Token, _ *enroll.Joining) { to.Pin = other.pin }, "is not the hub that made the token"},
		"another hub": {func(_ *testing.T, _ *enroll.Desk, to *enroll.Token, _ *enroll.Joining) {
			to.URLs, to.Pin = []string{other.url}, other.pin
		}, "make a new one with: stackfleet enroll"},
		"an expired token": {func(t *testing.T, _ *enroll.Desk, to *enroll.Token, _ *enroll.Joining) {
			*to = h.desk(t, "web", -time.Minute).Token
		}, "make a new one with: stackfleet enroll"},
		"nobody waits": {func(t *testing.T, _ *enroll.Desk, to *enroll.Token, _ *enroll.Joining) {
			*to = h.desk(t, "web", time.Hour).Token
		}, "nobody waits for this token"},
		"another account": {func(_ *testing.T, _ *enroll.Desk, to *enroll.Token, _ *enroll.Joining) { to.User = "bob" }, "run it as bob"},
		"another registry": {func(_ *testing.T, _ *enroll.Desk, to *enroll.Token, _ *enroll.Joining) {
			to.Registry = other.registry.Key
		}, "answer is not for this account"},
		"another archive": {func(_ *testing.T, _ *enroll.Desk, to *enroll.Token, _ *enroll.Joining) {
			to.Archive = other.registry.Key
		}, "other keys of the hub"},
		"another host": {func(_ *testing.T, _ *enroll.Desk, to *enroll.Token, _ *enroll.Joining) { to.Host = "db" }, "the signature is not"},
		"another org":  {func(_ *testing.T, _ *enroll.Desk, to *enroll.Token, _ *enroll.Joining) { to.Org = "other" }, "the signature is not"},
		"a JWT for another": {func(_ *testing.T, d *enroll.Desk, _ *enroll.Token, _ *enroll.Joining) {
			d.Issue = func(fleet.Source, string) (string, error) { return d.Token.JWT, nil }
		}, "JWT is for another key"},
		"enrolled elsewhere": {func(t *testing.T, _ *enroll.Desk, _ *enroll.Token, j *enroll.Joining) { j.StateHome = other.member(t) }, "--new-key"},
	} {
		t.Run(name, func(t *testing.T) {
			d := h.desk(t, strings.ReplaceAll(name, " ", "-"), time.Hour)
			d.Confirm = confirm(true)
			token, j := d.Token, h.joining(t)
			c.change(t, &d, &token, &j)
			h.await(t, d)
			_, err := enroll.Join(t.Context(), token, j)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if _, err := enroll.ReadMember(j.StateHome); !errors.Is(err, fs.ErrNotExist) && name != "enrolled elsewhere" {
				t.Errorf("fleet.json: %v", err)
			}
		})
	}
}

// member enrolls an account at this hub, and returns its $XDG_STATE_HOME.
func (h *hub) member(t *testing.T) string {
	t.Helper()
	d := h.desk(t, "web", time.Hour)
	d.Confirm = confirm(true)
	h.await(t, d)
	j := h.joining(t)
	if _, err := enroll.Join(t.Context(), d.Token, j); err != nil {
		t.Fatal(err)
	}
	return j.StateHome
}
