package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/fleet"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/courier"
	"stackpolicy/fleet/enroll"
	"stackpolicy/fleet/overview"
	"stackpolicy/fleet/spool"
	"stackpolicy/history"
	"stackpolicy/lab/debian"
)

// enrolled enrolls a host by a script.
func enrolled(t *testing.T, hub, host terminal, name string) {
	t.Helper()
	key, err := host.command("stackpolicy", "enroll", "--fingerprint").Output()
	if err != nil {
		t.Fatal(err)
	}
	asks := hub.start("stackfleet", "enroll", name, "--fingerprint", strings.TrimSpace(string(key)))
	token := strings.Fields(asks.until("stackpolicy enroll "))[2]
	if out, err := host.run("stackpolicy", "enroll", token); err != nil || asks.wait() != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// status waits until the hub says something of a fleet.
func status(t *testing.T, hub terminal, is func(overview.Fleet) bool) (f overview.Fleet) {
	t.Helper()
	var out []byte
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		out, _ = hub.command("stackfleet", "status", "-o", "json").Output() // its status is that of the fleet
		if holds(out, func(now overview.Fleet) bool { f = now; return is(now) }) {
			return f
		}
	}
	t.Fatalf("the hub says:\n%s", out)
	return f
}

// holds reports whether something is so in a fleet, which is JSON.
func holds(out []byte, is func(overview.Fleet) bool) bool {
	var f overview.Fleet
	return json.Unmarshal(out, &f) == nil && is(f)
}

// After an audit the hub knows of it: here of one without a user manager.
func TestEvidence(t *testing.T) {
	t.Parallel()
	hub, host := newTerminal(t), newTerminal(t)
	serveHub(t, hub, "--listen", freeAddress(t), "--page", "none")
	enrolled(t, hub, host, "web")
	f := status(t, hub, func(f overview.Fleet) bool { return len(f.Sources) == 1 })
	if f.Sources[0].State != overview.Never {
		t.Errorf("before an audit: %+v", f.Sources[0])
	}
	_, err := host.run("stackpolicy", "eval")
	exit := exitStatus(err)
	if exit == 0 {
		t.Fatal("an audit without a user manager is good")
	}
	f = status(t, hub, func(f overview.Fleet) bool { // the findings are there a moment after the rows
		s := f.Sources[0]
		return s.Newest > 0 && s.Applied == s.Newest && len(s.Findings) > 0
	})
	if s := f.Sources[0]; s.Host != "web" || s.Beat.ExitCode != exit || f.ExitCode != exit {
		t.Errorf("after it the hub says %s, %d, of %d findings; want %d", s.State, f.ExitCode, len(s.Findings), exit)
	}
	writesBySchema(hub)
	if out, err := hub.run("stackfleet", "verify"); err != nil || !strings.Contains(out, "None is missing") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if out, err := hub.run("stackfleet", "ask", "input.host.name"); err != nil || !strings.Contains(out, "1 source was asked") {
		t.Errorf("ask: %v\n%s", err, out)
	}
}

func exitStatus(err error) int {
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// The hub is killed at any instant, again and again: nothing that a host sent is lost, nothing is
// there twice.
func TestKilled(t *testing.T) {
	debian.InTime(t)
	t.Parallel()
	hub, host := newTerminal(t), newTerminal(t)
	address := freeAddress(t)
	serve := serveHub(t, hub, "--listen", address, "--page", "none")
	enrolled(t, hub, host, "web")
	o := sending(t, host)
	r := rand.New(rand.NewPCG(3, 1))
	begin := time.Now().Add(-24 * time.Hour)
	for i := range 60 {
		record(t, o.Store, begin.Add(time.Duration(i)*20*time.Minute), r.IntN(4))
		if i%6 == 5 {
			time.AfterFunc(time.Duration(r.IntN(40))*time.Millisecond, func() { _ = serve.cmd.Process.Kill() })
		}
		if _, err := courier.Send(t.Context(), o); err != nil {
			t.Logf("%d: %v", i, err)
		}
		if i%6 == 5 {
			_ = serve.wait()
			serve = serveHub(t, hub)
		}
	}
	whole := func(f overview.Fleet) bool {
		s := f.Sources[0]
		return s.Newest > 0 && s.Applied == s.Newest && len(s.Missing) == 0 && s.Beat.Audited.Equal(begin.Add(59*20*time.Minute))
	}
	for range 20 { // audits go on: what the broker did not take is sent after the next one
		if _, err := courier.Send(t.Context(), o); err != nil {
			t.Error(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	status(t, hub, whole)
	if out, err := hub.run("stackfleet", "verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if d := cmp.Diff(audits(t, o.Store), audits(t, memoryAt(t, hub))); d != "" {
		t.Errorf("-host +hub\n%s", d)
	}
}

// sending returns what a member sends with.
func sending(t *testing.T, host terminal) courier.Options {
	t.Helper()
	state := filepath.Join(host.home, ".local/state")
	m, err1 := enroll.ReadMember(state)
	key, err2 := fleet.ReadKey(fleet.KeyPath(state))
	store, err3 := history.Open(t.Context(), state, time.Now())
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return courier.Options{
		Host: spool.Host{Source: m.Source, Key: key, Store: store}, StateHome: state, Archive: m.ArchiveKey, Now: time.Now, Pause: time.Millisecond,
		Dial: func(ctx context.Context) (courier.Hub, error) {
			c, err := enroll.Connect(ctx, state, m)
			if err != nil {
				return nil, err
			}
			return courier.Over(c), nil
		},
	}
}

func record(t *testing.T, s *history.Store, at time.Time, state int) {
	t.Helper()
	doc := &facts.Document{Schema: "stackpolicy.facts/v1", Units: []facts.Unit{{Name: fmt.Sprintf("u%d.service", state)}}}
	if _, err := s.Record(t.Context(), history.Audit{At: at, Mode: "observe", PolicyDigest: "sha256:p", ExitCode: state, Document: doc}); err != nil {
		t.Fatal(err)
	}
}

func audits(t *testing.T, s *history.Store) []history.AuditSpan {
	t.Helper()
	all, err := s.Audits(t.Context(), time.Time{}, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// memoryAt opens the only memory of a hub.
func memoryAt(t *testing.T, hub terminal) *history.Store {
	t.Helper()
	a := archive.OpenReadOnly(filepath.Join(hub.home, ".local/state/stackfleet"), nil)
	defer a.Close()
	all, err := a.Memories(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d memories, %v", len(all), err)
	}
	s, err := history.OpenReadOnly(t.Context(), all[0].Home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// A hub that is restored from a backup gets again all that hosts remember; what is then missing
// stays known, and an operator accepts it.
func TestRestored(t *testing.T) {
	debian.InTime(t)
	t.Parallel()
	hub, host := newTerminal(t), newTerminal(t)
	serve := serveHub(t, hub, "--listen", freeAddress(t), "--page", "none")
	enrolled(t, hub, host, "web")
	o := sending(t, host)
	begin := time.Now().Add(-2 * time.Hour)
	send := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			record(t, o.Store, begin.Add(time.Duration(i)*10*time.Minute), i%3)
			if _, err := courier.Send(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
	}
	has := func(newest uint64) func(overview.Fleet) bool {
		return func(f overview.Fleet) bool {
			return f.Sources[0].Newest >= newest && f.Sources[0].Applied == f.Sources[0].Newest
		}
	}
	send(0, 3)
	status(t, hub, has(3))
	if err := serve.stop(); err != nil {
		t.Fatal(err)
	}
	data, backup := filepath.Join(hub.home, ".local/state/stackfleet"), filepath.Join(t.TempDir(), "backup")
	copied(t, data, backup)
	serve = serveHub(t, hub)
	send(3, 6)
	status(t, hub, has(6))
	time.Sleep(1500 * time.Millisecond) // watermarks are published each second
	send(6, 7)                          // takes it: the first six are forgotten
	if err := serve.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	copied(t, backup, data)
	serveHub(t, hub)
	for i := range 4 { // the next audits read the watermark of the restored archive
		send(7+i, 8+i)
		time.Sleep(1500 * time.Millisecond)
	}
	f := status(t, hub, func(f overview.Fleet) bool {
		return len(f.Sources[0].Missing) > 0 && f.Sources[0].Applied == f.Sources[0].Newest
	})
	if !slices.ContainsFunc(f.Sources[0].Causes, func(c overview.Cause) bool { return c.State == overview.Gap }) {
		t.Errorf("the gap is not shown: %+v", f.Sources[0].Causes)
	}
	if d := cmp.Diff(audits(t, o.Store), audits(t, memoryAt(t, hub))); d != "" {
		t.Errorf("-host +hub\n%s", d)
	}
	if out, err := hub.run("stackfleet", "accept", "web"); err != nil || !strings.Contains(out, "accepted as lost") {
		t.Errorf("accept: %v\n%s", err, out)
	}
	if out, err := hub.run("stackfleet", "accept", "web"); err != nil || !strings.Contains(out, "at the host web: nothing is missing") {
		t.Errorf("accept again: %v\n%s", err, out)
	}
	status(t, hub, func(f overview.Fleet) bool { return len(f.Sources[0].Missing) == 0 && f.Sources[0].Accepted > 0 })
}

// copied copies a folder with the modes of its files.
func copied(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
