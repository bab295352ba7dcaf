package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/machine"
)

// bootTwo boots the hub's machine and a host, with a cable between them and the programs.
func bootTwo(t *testing.T) (hub, host *machine.Machine) {
	t.Helper()
	options := machine.Options{}
	if err := machine.Available(options); err != nil {
		t.Skipf("no machine can be had here: %v", err)
	}
	if err := machine.Joinable(); err != nil {
		t.Skipf("no network of machines can be had here: %v", err)
	}
	boot, ctx := errgroup.WithContext(t.Context())
	for suite, to := range map[string]**machine.Machine{debian.Trixie: &hub, debian.Bookworm: &host} {
		if machine.Available(machine.Options{Suite: suite}) != nil {
			suite = ""
		}
		boot.Go(func() (err error) {
			*to, err = machine.Boot(ctx, machine.Options{Suite: suite})
			return err
		})
	}
	err := boot.Wait()
	for _, m := range []*machine.Machine{hub, host} {
		if m != nil {
			t.Cleanup(func() {
				if err := m.Stop(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*machine.Machine{hub, host} {
		for _, name := range []string{"stackfleet", "stackpolicy"} {
			if _, err := m.Install(filepath.Join(bin, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, _, err := machine.Join(t.Context(), hub, host); err != nil {
		t.Fatal(err)
	}
	return hub, host
}

// accounts makes more accounts in a machine: each has a user manager that lingers. Their ids follow
// that of the machine's own user.
func accounts(t *testing.T, m *machine.Machine, names ...string) {
	t.Helper()
	for _, name := range names {
		out, err := m.RootCommand(t.Context(), "sh", "-euc", "useradd --create-home --shell /bin/bash "+name+
			" && loginctl enable-linger "+name+" && until test -S /run/user/$(id -u "+name+")/systemd/private; do sleep 0.1; done").CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
}

// as returns a command of another account of a machine.
func as(ctx context.Context, m *machine.Machine, name, script string) *exec.Cmd {
	if name == machine.User {
		return m.Command(ctx, "sh", "-euc", script)
	}
	return m.RootCommand(ctx, "sh", "-euc", `exec setpriv --reuid `+name+` --regid `+name+` --init-groups -- env HOME=/home/`+name+
		` USER=`+name+` XDG_RUNTIME_DIR=/run/user/$(id -u `+name+`) sh -euc "$0"`, script)
}

// TestTwoMachines: the three commands of docs/fleet.md between two whole machines, for three
// accounts of the host. Each is a source of its own; none reads another's files, and without the
// network each goes on and delivers later.
func TestTwoMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("it boots two machines")
	}
	t.Parallel()
	hub, host := bootTwo(t)
	commands := documented(t)
	serve := startCommand(t, hub.Command(t.Context(), commands[0]...))
	serve.until("enroll a host in another terminal")
	names := []string{machine.User, "bob", "carol"}
	accounts(t, host, names[1:]...)
	for _, name := range names {
		asks := startCommand(t, hub.Command(t.Context(), append(commands[1], "--user", name)...))
		command := asks.until(strings.Join(commands[2][:2], " "))
		join := startCommand(t, as(t.Context(), host, name, command))
		fingerprint := join.until("the key of this account is ")
		asks.until(fingerprint[strings.Index(fingerprint, "SHA256:"):])
		asks.answer("y")
		join.until(name + " is a member of the fleet home, as the host web")
		for _, p := range []*running{asks, join} {
			if err := p.wait(); err != nil {
				t.Errorf("%v: %v", p.cmd.Args, err)
			}
		}
	}
	for _, name := range names {
		if out, err := as(t.Context(), host, name, "stackpolicy eval >/dev/null 2>&1 || test $? -le 3").CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	heard(t, hub, names)
	key := machine.Home + "/.local/state/stackpolicy/fleet.key"
	if out, err := as(t.Context(), host, "bob", "cat "+key).CombinedOutput(); err == nil || !strings.Contains(string(out), "Permission denied") {
		t.Errorf("bob reads another's key: %v\n%s", err, out)
	}

	// Without the network an audit says the same, and what it saw arrives later.
	network := func(state string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "nsenter", append(netOf(t, host), "ip", "link", "set", "lab0", state)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	network("down")
	began := time.Now()
	out, err := as(t.Context(), host, "bob", "stackpolicy eval 2>&1 || test $? -le 3").CombinedOutput()
	if took := time.Since(began); err != nil || took > 30*time.Second {
		t.Errorf("an audit without the network took %v: %v\n%s", took, err, out)
	} else if !strings.Contains(string(out), "the hub does not answer") {
		t.Errorf("it does not say that the hub does not answer:\n%s", out)
	}
	network("up")
	if out, err := as(t.Context(), host, "bob", "stackpolicy eval 2>&1 || test $? -le 3").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		out, err := hub.Command(t.Context(), "stackfleet", "status", "--all").CombinedOutput()
		if isComplete := strings.Contains(string(out), " web bob ") && !strings.Contains(string(out), "missing") && !strings.Contains(string(out), "still to send"); isComplete {
			t.Logf("the hub shows\n%s", out)
			break
		}
		if time.Now().After(end) {
			t.Errorf("evidence is missing: %v\n%s", err, out)
			break
		}
	}
}

// netOf returns the arguments of nsenter for the network of a machine.
func netOf(t *testing.T, m *machine.Machine) []string {
	t.Helper()
	for _, v := range m.Environ() {
		if leader, is := strings.CutPrefix(v, "MACHINE_LEADER="); is {
			return []string{"--target", leader, "--net", "--"}
		}
	}
	t.Fatal("the machine has no process")
	return nil
}

// heard wants that the hub shows each account of the host.
func heard(t *testing.T, hub *machine.Machine, names []string) {
	t.Helper()
	var out []byte
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		out, _ = hub.Command(t.Context(), "stackfleet", "status", "--all").CombinedOutput()
		n := 0
		for _, name := range names {
			if regexp.MustCompile(`(?m) web ` + name + ` +\d+ s ago`).Match(out) {
				n++
			}
		}
		if n == len(names) {
			return
		}
	}
	t.Errorf("the hub shows\n%s", out)
}
