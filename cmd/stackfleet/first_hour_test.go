package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/enroll"
	report "stackpolicy/report/fleet"
)

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
// next: an audit of the member is shown, it is listed, it is revoked, and enrolled again.
func TestFirstHour(t *testing.T) {
	t.Parallel()
	hub, host, commands := newTerminal(t), newTerminal(t), documented(t)
	notified := listenUnix(t, filepath.Join(hub.home, "notify"))
	serve := hub.start(append(commands[0], "--listen", freeAddress(t))...)
	serve.until("enroll a host in another terminal")
	if said := <-notified; said != "READY=1" {
		t.Errorf("the manager is told %q", said)
	}
	firstHost(t, hub, host, commands)
	audited(t, hub, host)
	m := sends(t, host, true)
	listed(t, hub, m)

	if err := serve.stop(); err != nil {
		t.Errorf("a signal ends serve: %v", err)
	}
	if out, err := hub.run("stackfleet", "members"); err == nil || !strings.Contains(out, "does `stackfleet serve` run?") {
		t.Errorf("the hub is stopped: %v\n%s", err, out)
	}
	serveHub(t, hub)
	sends(t, host, true)

	revoked(t, hub, host)
	again := hub.start("stackfleet", "enroll", "web", "--yes")
	command := strings.Fields(again.until("stackpolicy enroll "))
	if out, err := host.run(append(command, "--new-key")...); err != nil || again.wait() != nil {
		t.Errorf("enrolled again: %v\n%s", err, out)
	}
	audited(t, hub, host)
	sends(t, host, true)
	revoked(t, hub, host)
}

// firstHost enrolls a host as the page says.
func firstHost(t *testing.T, hub, host terminal, commands [][]string) {
	t.Helper()
	asks := hub.start(commands[1]...)
	command := strings.Fields(asks.until(strings.Join(commands[2][:2], " ")))
	if len(command) != len(commands[2]) {
		t.Errorf("the hub offers %q, and the page %q", command, commands[2])
	}
	join := host.start(command...)
	words := strings.Fields(join.until("the key of this account is "))
	fingerprint := words[len(words)-1]
	asks.until("  " + fingerprint)
	asks.answer("y")
	asks.until("is enrolled, with the key " + fingerprint)
	join.until("is a member of the fleet home, as the host web")
	for _, p := range []*running{asks, join} {
		if err := p.wait(); err != nil {
			t.Errorf("%v: %v", p.cmd.Args, err)
		}
	}
}

// listed wants that the hub lists a member.
func listed(t *testing.T, hub terminal, m enroll.Member) {
	t.Helper()
	if out, err := hub.run("stackfleet", "members"); err != nil || !strings.Contains(out, "web   "+m.User) {
		t.Errorf("members: %v\n%s", err, out)
	}
	var listed report.Members
	out, err := hub.command("stackfleet", "members", "-o", "json").Output()
	if err != nil || json.Unmarshal(out, &listed) != nil || len(listed.Members) != 1 || listed.Members[0].Source != m.Source {
		t.Errorf("members -o json: %v\n%s", err, out)
	}
}

// revoked revokes the host, and wants that it cannot send any more and is listed so.
func revoked(t *testing.T, hub, host terminal) {
	t.Helper()
	if out, err := hub.run("stackfleet", "revoke", "web"); err != nil || !strings.Contains(out, "is revoked") {
		t.Errorf("revoke: %v\n%s", err, out)
	}
	sends(t, host, false)
	today := time.Now().UTC().Format(time.DateOnly)
	if out, err := hub.run("stackfleet", "members"); err != nil || !strings.Contains(out, today+"  "+today) {
		t.Errorf("members: %v\n%s", err, out)
	}
}

// listenUnix returns what is sent to a socket, as a manager gets it.
func listenUnix(t *testing.T, path string) <-chan string {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	got := make(chan string, 10)
	go func() {
		for b := make([]byte, 1000); ; {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			got <- string(b[:n])
		}
	}()
	return got
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
