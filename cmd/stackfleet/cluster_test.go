package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/fleet/courier"
	"stackpolicy/fleet/overview"
	"stackpolicy/lab/debian"
	labhub "stackpolicy/lab/hub"
)

// nodes are three servers of NATS, of which each is a process.
type nodes struct {
	t       *testing.T
	program string
	configs []string
	running []*exec.Cmd
}

// newNodes builds the server of go.mod, and starts three with what broker-config prints.
func newNodes(t *testing.T, hub terminal) *nodes {
	t.Helper()
	dir := t.TempDir()
	n := &nodes{t: t, program: filepath.Join(dir, "nats-server"), running: make([]*exec.Cmd, 3)}
	if out, err := exec.Command("go", "build", "-o", n.program, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	names, addresses := []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}, []net.IP{}
	args := []string{"stackfleet", "broker-config", "--route-port", port(t)}
	client := port(t)
	for _, name := range names {
		addresses = append(addresses, net.ParseIP(name))
		args = append(args, "--server", name+":"+client)
	}
	certificate, key := labhub.Certificate(t, dir, addresses...)
	args = append(args, "--certificate", certificate, "--key", key, "--authority", certificate, "--pin", certificate)
	for i, name := range names {
		text, err := hub.command(append(args, "--node", name, "--store", filepath.Join(dir, name))...).Output()
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte(`listen: ":`), []byte(`listen: "`+name+`:`)) // three servers share this machine
		n.configs = append(n.configs, filepath.Join(dir, name+".conf"))
		if err := os.WriteFile(n.configs[i], text, 0o600); err != nil {
			t.Fatal(err)
		}
		n.start(i)
	}
	return n
}

// port returns one that nobody listens at.
func port(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (n *nodes) start(i int) {
	n.t.Helper()
	n.running[i] = exec.Command(n.program, "-c", n.configs[i])
	var out bytes.Buffer
	n.running[i].Stderr = &out
	if err := n.running[i].Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		n.kill(i)
		if n.t.Failed() {
			n.t.Log(tail(out.String()))
		}
	})
}

// tail returns the end of a log.
func tail(log string) string { return log[max(0, len(log)-2000):] }

// kill kills a server (SIGKILL).
func (n *nodes) kill(i int) {
	_ = n.running[i].Process.Kill()
	_ = n.running[i].Wait()
}

// Any server of a cluster and any archiver is killed: nothing that a host sent is lost, nothing is
// there twice, and the other ones go on.
func TestClusterKilled(t *testing.T) {
	debian.InTime(t)
	t.Parallel()
	hub, host := newTerminal(t), newTerminal(t)
	n := newNodes(t, hub)
	eventually(t, "the hub reaches the cluster", func() (string, bool) {
		out, err := hub.run("stackfleet", "members")
		return out, err == nil
	})
	first := hub.start("stackfleet", "archive")
	second := hub.start("stackfleet", "archive")
	var waits *running
	select {
	case line := <-first.lines:
		waits, first = first, second
		t.Log(line)
	case line := <-second.lines:
		waits = second
		t.Log(line)
	case <-time.After(20 * time.Second):
		t.Fatal("two archivers write one archive")
	}
	enrolled(t, hub, host, "web")
	o := sending(t, host)
	begin := time.Now().Add(-24 * time.Hour)
	last := begin
	for i := range 40 {
		switch i {
		case 8, 24:
			n.kill(i / 8 % 3)
		case 16, 32:
			n.start((i/8 - 1) % 3)
		case 20:
			_ = first.cmd.Process.Kill()
		}
		last = begin.Add(time.Duration(i) * 20 * time.Minute)
		record(t, o.Store, last, i%4)
		if _, err := courier.Send(t.Context(), o); err != nil {
			t.Logf("%d: %v", i, err)
		}
		time.Sleep(200 * time.Millisecond) // a cluster without one server needs some seconds
	}
	waits.until("goes on")
	eventually(t, "the host sends all", func() (string, bool) {
		last = last.Add(time.Minute)
		record(t, o.Store, last, 1)
		r, err := courier.Send(t.Context(), o)
		return fmt.Sprint(r, err), err == nil && !r.IsBacklog
	})
	eventually(t, "nothing is missing", func() (string, bool) {
		out, _ := hub.command("stackfleet", "status", "-o", "json").Output()
		if holds(out, func(f overview.Fleet) bool { return len(f.Sources[0].Missing) == 0 }) {
			return "", true
		}
		last = last.Add(time.Minute) // the next audit sends what is
		record(t, o.Store, last, 1)
		_, err := courier.Send(t.Context(), o)
		return fmt.Sprintf("%v %s", err, out), false
	})
	status(t, hub, func(f overview.Fleet) bool {
		s := f.Sources[0]
		return len(s.Missing) == 0 && s.Applied == s.Newest && s.Beat.Audited.Equal(last)
	})
	if d := cmp.Diff(audits(t, o.Store), audits(t, memoryAt(t, hub))); d != "" {
		t.Errorf("-host +hub\n%s", d)
	}
	if out, err := hub.run("stackfleet", "ask", "input.schema"); err != nil || !strings.Contains(out, "stackpolicy.facts/v1") {
		t.Errorf("ask: %v\n%s", err, out)
	}
}

// eventually waits until something holds; it says what was seen last.
func eventually(t *testing.T, what string, is func() (string, bool)) {
	t.Helper()
	seen := ""
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		var ok bool
		if seen, ok = is(); ok {
			return
		}
	}
	t.Fatalf("not within a minute: %s\n%s", what, fmt.Sprintf("%.2000s", seen))
}
