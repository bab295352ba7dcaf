package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A script confirms by the fingerprint, which the host prints before it has a token; the token
// comes by standard input. Another key is refused.
func TestEnrollByScript(t *testing.T) {
	t.Parallel()
	hub, host := newTerminal(t), newTerminal(t)
	serveHub(t, hub, "--listen", freeAddress(t), "--org", "example")
	key, err := host.command("stackpolicy", "enroll", "--fingerprint").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fingerprint string
		want        bool
	}{{"SHA256:another", false}, {strings.TrimSpace(string(key)), true}} {
		asks := hub.start("stackfleet", "enroll", "web", "--fingerprint", c.fingerprint)
		token := strings.Fields(asks.until("stackpolicy enroll "))[2]
		join := host.command("stackpolicy", "enroll", "-")
		join.Stdin = bytes.NewReader([]byte(token + "\n"))
		out, err := join.CombinedOutput()
		if (err == nil) != c.want || (asks.wait() == nil) != c.want {
			t.Errorf("%s: %v\n%s", c.fingerprint, err, out)
		}
	}
	sends(t, host, true)
}

// Mistakes at the hub are said with what to do.
func TestMistakesAtTheHub(t *testing.T) {
	t.Parallel()
	hub := newTerminal(t)
	address := freeAddress(t)
	wants := func(text string, args ...string) {
		t.Helper()
		if out, err := hub.run(args...); err == nil || !strings.Contains(out, text) {
			t.Errorf("%v: %v, want %q in\n%s", args, err, text, out)
		}
	}
	wants("start one with `stackfleet serve`", "stackfleet", "enroll", "web")
	wants("want HOST:PORT", "stackfleet", "serve", "--listen", "nowhere")
	serve := serveHub(t, hub, "--listen", address)
	wants("are used by another hub", "stackfleet", "serve")
	wants("which cannot be changed", "stackfleet", "serve", "--org", "other")
	other := filepath.Join(t.TempDir(), "other")
	wants("is taken by another program", "stackfleet", "serve", "--listen", address, "--data", other)
	wants("want SHA256:", "stackfleet", "enroll", "web", "--fingerprint", "x")
	wants("is no name in a fleet", "stackfleet", "enroll", strings.Repeat("x", 65))
	wants("no such host is enrolled: web", "stackfleet", "revoke", "web")
	wants("no account bob at a host web is enrolled", "stackfleet", "revoke", "web", "--user", "bob")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := serve.stop(); err != nil || ctx.Err() != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestOperatorOffline: without the operator's key a host's evidence is refused, and the rest of the
// revocation can be done with the key later. Until then it is not enrolled again.
func TestOperatorOffline(t *testing.T) {
	t.Parallel()
	hub, host := newTerminal(t), newTerminal(t)
	serveHub(t, hub, "--listen", freeAddress(t))
	join := func(more ...string) (string, error) {
		asks := hub.start("stackfleet", "enroll", "web", "--yes")
		return host.run(append(strings.Fields(asks.until("stackpolicy enroll ")), more...)...)
	}
	if out, err := join(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	key := filepath.Join(t.TempDir(), "operator.nk")
	if err := os.Rename(filepath.Join(hub.home, ".local/state/stackfleet/keys/operator.nk"), key); err != nil {
		t.Fatal(err)
	}
	out, err := hub.run("stackfleet", "revoke", "web")
	if err == nil || !strings.Contains(out, "is refused from now on, but it can still connect") || !strings.Contains(out, "--operator-key") {
		t.Errorf("without the key: %v\n%s", err, out)
	}
	if out, err := hub.run("stackfleet", "members"); err != nil || !strings.Contains(out, "(can still connect)") {
		t.Errorf("members: %v\n%s", err, out)
	}
	if out, err := join("--new-key"); err == nil || !strings.Contains(out, "but can still connect: first, with the operator's key: stackfleet revoke web") {
		t.Errorf("enrolled again: %v\n%s", err, out)
	}
	if out, err := hub.run("stackfleet", "revoke", "web", "--operator-key", key); err != nil {
		t.Errorf("with the key: %v\n%s", err, out)
	}
	if out, err := hub.run("stackfleet", "members"); err != nil || strings.Contains(out, "(can still connect)") {
		t.Errorf("members: %v\n%s", err, out)
	}
	if out, err := join("--new-key"); err != nil {
		t.Errorf("enrolled again: %v\n%s", err, out)
	}
	sends(t, host, true)
}
