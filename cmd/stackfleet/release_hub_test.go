package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"stackpolicy/lab/ociregistry"
)

// enrollByScript enrolls an account of a host.
func enrollByScript(t *testing.T, hub, host terminal, name string) {
	t.Helper()
	key, err := host.command("stackpolicy", "enroll", "--fingerprint").Output()
	if err != nil {
		t.Fatal(err)
	}
	asks := hub.start("stackfleet", "enroll", name, "--fingerprint", strings.TrimSpace(string(key)))
	token := strings.Fields(asks.until("stackpolicy enroll "))[2]
	join := host.command("stackpolicy", "enroll", "-")
	join.Stdin = bytes.NewReader([]byte(token + "\n"))
	if out, err := join.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := asks.wait(); err != nil {
		t.Fatal(err)
	}
}

// does runs a command that must succeed.
func (x terminal) does(args ...string) string {
	x.t.Helper()
	out, err := x.run(args...)
	if err != nil {
		x.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

func (x terminal) write(name, text string) string {
	x.t.Helper()
	path := filepath.Join(x.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
	return path
}

// unpack writes the files of a transcript that are in a folder there, and returns the folder.
func (x terminal) unpack(file, folder string) string {
	x.t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		x.t.Fatal(err)
	}
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, folder) {
			x.write(f.Name, string(f.Data))
		}
	}
	return filepath.Join(x.home, folder)
}

// asUnitsDo takes a release as the installed units do: that of the alerts fetches it, and the next
// audit, which has no network, checks it.
func asUnitsDo(t *testing.T, hub terminal) {
	t.Helper()
	host := newTerminal(t)
	enrollByScript(t, hub, host, "db")
	host.write(".config/stackpolicy/config.yaml", "fleet: {channel: stable}\n")
	host.does("stackpolicy", "send-alerts")
	if out := host.does("stackpolicy", "policy", "status"); !strings.Contains(out, "waits:   its rules are to be checked") {
		t.Errorf("after it was fetched:\n%s", out)
	}
	_, _ = host.run("stackpolicy", "eval", "--queue-alerts")
	if out := host.does("stackpolicy", "policy", "status"); !strings.Contains(out, "waits:   0 of 1 audits in shadow") {
		t.Errorf("after an audit:\n%s", out)
	}
}

// signers makes the keys of three people and a root that two of them signed. It returns how to run
// a verb of releases, and how people sign.
func signers(t *testing.T, hub terminal) (release func(args ...string) string, sign func(names ...string)) {
	t.Helper()
	words := hub.write("words", "correct horse\n")
	release = func(args ...string) string {
		return hub.does(append([]string{"stackfleet", "release"}, args...)...)
	}
	key := func(name string) string { return filepath.Join(hub.home, name) }
	for _, name := range []string{"ada", "bob", "eve"} {
		cmd := hub.command("stackfleet", "release", "key", name, "--passphrase-file", words)
		cmd.Dir = hub.home
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	sign = func(names ...string) {
		t.Helper()
		for _, name := range names {
			release("sign", "--key", key(name)+".key", "--passphrase-file", words)
		}
	}
	release("init", "--key", key("ada")+".pub", "--key", key("bob")+".pub", "--key", key("eve")+".pub")
	sign("ada", "bob")
	return release, sign
}

// TestReleaseThroughARegistry: the same through a real registry, to an account that is in no fleet
// and was given the root.
func TestReleaseThroughARegistry(t *testing.T) {
	t.Parallel()
	reference := ociregistry.Start(t) + "/rules/home"
	hub, host := newTerminal(t), newTerminal(t)
	release, sign := signers(t, hub)
	release("build", hub.unpack("../../testdata/stackfleet/release.txtar", "other/"), "--stage", "all", "--open", "1", "--min-audits", "1", "--min-time", "0s")
	sign("bob", "eve")
	release("push", reference)
	host.write(".config/stackpolicy/config.yaml", "fleet: {channel: stable, registry: "+reference+"}\n")
	root := filepath.Join(hub.home, ".local/state/stackfleet/release/public/1.root.json")
	if out := host.does("stackpolicy", "policy", "pull", "--root", root); !strings.Contains(out, "waits:   0 of 1 audits in shadow") {
		t.Errorf("after the pull:\n%s", out)
	}
	if out, _ := host.run("stackpolicy", "eval"); !strings.Contains(out, "another release of rules decides from now on") {
		t.Errorf("after an audit:\n%s", out)
	}
}

// TestReleaseThroughTheHub: a release that two people signed comes to an enrolled host through a
// real broker, decides in shadow, and is active when its stage was opened; a halt stops it.
func TestReleaseThroughTheHub(t *testing.T) {
	t.Parallel()
	hub, host := newTerminal(t), newTerminal(t)
	release, sign := signers(t, hub)
	serveHub(t, hub, "--listen", freeAddress(t), "--page", "none")
	enrollByScript(t, hub, host, "web")
	host.write(".config/stackpolicy/config.yaml", "fleet: {channel: stable, labels: {role: canary}}\n")
	release("build", hub.unpack("../../testdata/stackfleet/release.txtar", "other/"), "--min-audits", "1", "--min-time", "0s")
	sign("bob", "eve")

	pulls := func(want string) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
			out, err := host.run("stackpolicy", "policy", "pull")
			if err == nil && strings.Contains(out, want) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("policy pull: %v, want %q in\n%s", err, want, out)
			}
		}
	}
	pulls("waits:   0 of 1 audits in shadow")
	if out, _ := host.run("stackpolicy", "eval"); strings.Contains(out, "another release") {
		t.Errorf("it is active before its stage is open:\n%s", out)
	}
	pulls("waits:   stage 1 (role=canary), which is not open")
	release("halt", "stable", "--reason", "not on a Friday")
	sign("ada", "bob")
	pulls("is halted: not on a Friday")
	release("halt", "stable", "--lift")
	release("stage", "stable")
	sign("ada", "eve")
	pulls("decides: release 1 of channel stable")
	asUnitsDo(t, hub)
	if out := host.does("stackpolicy", "policy", "list"); !strings.Contains(out, "lingers  (host, ticket") {
		t.Errorf("other rules decide:\n%s", out)
	}
	release("halt", "stable", "--reason", "not on a Monday")
	sign("ada", "bob")
	pulls("halted:  no further host begins to use it: not on a Monday")
}
