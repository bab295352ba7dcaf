package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/enroll"
)

// builtIn is the folder of the programs; "" before they are built.
var builtIn string

// programs builds stackfleet and stackpolicy once.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stackfleet-test-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	out, err := exec.Command("go", "build", "-o", dir, "stackpolicy/cmd/stackfleet", "stackpolicy/cmd/stackpolicy").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return dir, nil
})

// terminal is a shell on one machine: a home, and what runs in it.
type terminal struct {
	t    *testing.T
	home string
}

func newTerminal(t *testing.T) terminal {
	t.Helper()
	return terminal{t, t.TempDir()}
}

func (x terminal) command(args ...string) *exec.Cmd {
	x.t.Helper()
	bin, err := programs()
	if err != nil {
		x.t.Fatal(err)
	}
	cmd := exec.CommandContext(x.t.Context(), filepath.Join(bin, args[0]), args[1:]...)
	cmd.Env = []string{"HOME=" + x.home, "PATH=" + bin, "USER=alice", "LC_ALL=C.UTF-8", "XDG_RUNTIME_DIR=" + x.home, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// run runs a command to its end, and returns both outputs.
func (x terminal) run(args ...string) (string, error) {
	x.t.Helper()
	out, err := x.command(args...).CombinedOutput()
	return string(out), err
}

// running is a command that was started. Its lines are read as they come.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.Writer
	lines chan string
	done  chan error
}

func (x terminal) start(args ...string) *running {
	x.t.Helper()
	return startCommand(x.t, x.command(args...))
}

// startCommand starts a command whose lines are read as they come.
func startCommand(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &running{t, cmd, in, make(chan string, 1000), make(chan error, 1)}
	go func() {
		p.done <- cmd.Wait()
		w.Close()
	}()
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			p.lines <- s.Text()
		}
		close(p.lines)
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return p
}

// until reads lines until one has a text, and returns it.
func (p *running) until(text string) string {
	p.t.Helper()
	var seen []string
	for end := time.After(30 * time.Second); ; {
		select {
		case line, more := <-p.lines:
			if strings.Contains(line, text) {
				return line
			}
			if seen = append(seen, line); !more {
				p.t.Fatalf("%v ended without %q:\n%s", p.cmd.Args, text, strings.Join(seen, "\n"))
			}
		case <-end:
			p.t.Fatalf("%v: no %q in\n%s", p.cmd.Args, text, strings.Join(seen, "\n"))
		}
	}
}

func (p *running) answer(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *running) wait() error {
	p.t.Helper()
	select {
	case err := <-p.done:
		return err
	case <-time.After(30 * time.Second):
		p.t.Fatalf("%v does not end", p.cmd.Args)
		return nil
	}
}

func (p *running) stop() error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	return p.wait()
}

// freeAddress returns one of this machine that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serveHub starts a hub and waits until it serves.
func serveHub(t *testing.T, hub terminal, args ...string) *running {
	t.Helper()
	p := hub.start(append([]string{"stackfleet", "serve"}, args...)...)
	p.until("enroll a host in another terminal")
	return p
}

// documented returns the commands of the first hour in docs/fleet.md.
func documented(t *testing.T) (commands [][]string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## The first hour\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)\n```").FindAllStringSubmatch(section, -1) {
		commands = append(commands, strings.Fields(m[1]))
	}
	if len(commands) != 3 {
		t.Fatalf("docs/fleet.md has %d commands in the first hour, want 3: %q", len(commands), commands)
	}
	return commands
}

// TestFirstHour is the three commands of docs/fleet.md on two terminals, and what an operator does
// next: an audit of the member is shown, it is listed, it is revoked.
func TestFirstHour(t *testing.T) {
	t.Parallel()
	hub, host, commands := newTerminal(t), newTerminal(t), documented(t)
	serve := hub.start(append(commands[0], "--listen", freeAddress(t))...)
	serve.until("enroll a host in another terminal")
	asks := hub.start(commands[1]...)
	command := strings.Fields(asks.until(strings.Join(commands[2][:2], " ")))
	if len(command) != len(commands[2]) {
		t.Errorf("the hub offers %q, and the page %q", command, commands[2])
	}
	join := host.start(command...)
	fingerprint := strings.Fields(join.until("the key of this account is "))
	asks.until("  " + fingerprint[len(fingerprint)-1])
	asks.answer("y")
	asks.until("is enrolled, with the key " + fingerprint[len(fingerprint)-1])
	join.until("is a member of the fleet home, as the host web")
	for _, p := range []*running{asks, join} {
		if err := p.wait(); err != nil {
			t.Errorf("%v: %v", p.cmd.Args, err)
		}
	}
	audited(t, hub, host)
	m := sends(t, host, true)

	if out, err := hub.run("stackfleet", "members"); err != nil || !strings.Contains(out, "web   "+m.User) {
		t.Errorf("members: %v\n%s", err, out)
	}
	var listed struct{ Members []member }
	out, err := hub.command("stackfleet", "members", "-o", "json").Output()
	if err != nil || json.Unmarshal(out, &listed) != nil || len(listed.Members) != 1 || listed.Members[0].Source != m.Source {
		t.Errorf("members -o json: %v\n%s", err, out)
	}

	if err := serve.stop(); err != nil {
		t.Errorf("a signal ends serve: %v", err)
	}
	if out, err := hub.run("stackfleet", "members"); err == nil || !strings.Contains(out, "does `stackfleet serve` run?") {
		t.Errorf("the hub is stopped: %v\n%s", err, out)
	}
	serveHub(t, hub)
	sends(t, host, true)

	if out, err := hub.run("stackfleet", "revoke", "web"); err != nil || !strings.Contains(out, "is revoked") {
		t.Errorf("revoke: %v\n%s", err, out)
	}
	sends(t, host, false)
	again := hub.start("stackfleet", "enroll", "web", "--yes")
	command = strings.Fields(again.until("stackpolicy enroll "))
	if out, err := host.run(append(command, "--new-key")...); err != nil || again.wait() != nil {
		t.Errorf("enrolled again: %v\n%s", err, out)
	}
	audited(t, hub, host)
	sends(t, host, true)

	if out, err := hub.run("stackfleet", "revoke", "web"); err != nil {
		t.Errorf("revoke again: %v\n%s", err, out)
	}
	sends(t, host, false)
	if out, err := hub.run("stackfleet", "members"); err != nil || !strings.Contains(out, time.Now().UTC().Format(time.DateOnly)+"  "+time.Now().UTC().Format(time.DateOnly)) {
		t.Errorf("members: %v\n%s", err, out)
	}
}

// audited wants that the hub shows what an audit at the host saw, and trusts all that it sent.
func audited(t *testing.T, hub, host terminal) {
	t.Helper()
	began := time.Now()
	audit, _ := host.run("stackpolicy", "eval") // there is no user manager: its status is not 0
	var status []byte
	for end := began.Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		status, _ = hub.command("stackfleet", "status", "--all", "-o", "json").Output()
		var shown struct {
			Sources []struct {
				Host     string
				Received time.Time
				Fork     string
				Missing  []fleet.Range
				Newest   uint64
				Applied  uint64
			}
		}
		if json.Unmarshal(status, &shown) != nil || len(shown.Sources) != 1 {
			continue
		}
		if s := shown.Sources[0]; s.Host == "web" && s.Received.After(began) && s.Fork == "" && len(s.Missing) == 0 && s.Applied == s.Newest {
			return
		}
	}
	t.Errorf("the hub shows\n%s\nafter\n%s", status, audit)
}

// sends wants that an account may send evidence, or that its connection is refused.
func sends(t *testing.T, host terminal, may bool) enroll.Member {
	t.Helper()
	state := filepath.Join(host.home, ".local/state")
	m, err := enroll.ReadMember(state)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := m.Subject()
	if err != nil {
		t.Fatal(err)
	}
	c, err := enroll.Connect(t.Context(), state, m)
	if err == nil {
		defer c.Close()
		_, err = c.Request(subject, []byte("x"), 5*time.Second)
	}
	if (err == nil) != may {
		t.Errorf("it sends: %v, want %t", err, may)
	}
	return m
}

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
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := serve.stop(); err != nil || ctx.Err() != nil {
		t.Errorf("it ends with %v", err)
	}
}
