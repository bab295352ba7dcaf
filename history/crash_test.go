package history

import (
	"bufio"
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackpolicy/internal/sqlite"
)

// After a process was killed at any time, the history is not damaged. Even if that happens
// often, no process acts beyond its budget.
func TestKilledAtAnyInstant(t *testing.T) {
	kills := 200
	if testing.Short() {
		kills = 20
	}
	home := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range kills {
		cmd := process(t, "audits", home)
		timer := time.NewTimer(time.Duration(random.IntN(25_000)) * time.Microsecond)
		<-timer.C
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
			t.Fatalf("process %d ended before it was killed: %v", i, cmd.ProcessState)
		}
		sound(t, home)
	}
	acts := actTimes(t, home)
	for i := range acts {
		within := 0
		for _, at := range acts[i:] {
			if at-acts[i] < int64(time.Hour/time.Second) {
				within++
			}
		}
		if within > perHour {
			t.Errorf("acted %d times within an hour from %d on", within, acts[i])
		}
	}
	s := reopened(t, home)
	memory := must(s.Recall(t.Context(), noon))(t)
	intended := len(must(s.Actions(t.Context(), time.Time{}, 1_000_000))(t))
	if intended < len(acts) {
		t.Errorf("acted %d times, and intended to only %d times", len(acts), intended)
	}
	t.Logf("%d kills, %d audits, %d intentions, %d acts", kills, memory.Audits, intended, len(acts))
	if len(acts) == 0 {
		t.Error("it never acted")
	}
}

// sound checks that the history can be opened without repair, and that all its pages are
// intact.
func sound(t *testing.T, home string) {
	t.Helper()
	s := must(Open(t.Context(), home, noon))(t)
	defer s.Close()
	if s.Notice() != "" {
		t.Fatal(s.Notice())
	}
	var verdict string
	if err := s.db.View(context.Background(), func(tx sqlite.Tx) error { return tx.One("PRAGMA integrity_check").Scan(&verdict) }); err != nil || verdict != "ok" {
		t.Fatalf("%s, %v", verdict, err)
	}
}

func actTimes(t *testing.T, home string) (times []int64) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(string(must(os.ReadFile(home + "/" + actLog))(t))))
	for lines.Scan() {
		times = append(times, must(strconv.ParseInt(lines.Text(), 10, 64))(t))
	}
	return times
}

// A breaker that was opened is still there after a kill.
func TestBreakerOutlivesAKill(t *testing.T) {
	home := t.TempDir()
	s := reopened(t, home)
	if err := s.OpenBreaker(t.Context(), "web.service", "because", noon, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	cmd := process(t, "lock", home) // killed within a transaction
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	s = reopened(t, home)
	if b := must(s.Recall(t.Context(), noon))(t).Subjects["web.service"].Breaker; b == nil || b.Reason != "because" {
		t.Errorf("breaker %+v", b)
	}
}

// Another process that has locked the history delays a call, but not for ever.
func TestLockedByAnother(t *testing.T) {
	s, home := opened(t)
	doc := document(t, 1)
	recorded(t, s, audited(doc, noon))
	process(t, "lock", home)
	bounded := func(what string, call func() error) {
		t.Helper()
		start := time.Now()
		err := call()
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("%s took %s", what, took)
		}
		if err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("%s: %v", what, err)
		}
	}
	bounded("recording", func() error { _, err := s.Record(t.Context(), audited(doc, noon)); return err })
	bounded("opening", func() error { _, err := Open(t.Context(), home, noon); return err })
	if m := must(s.Recall(t.Context(), noon))(t); m.Audits != 1 {
		t.Errorf("while it is held, %d audits are remembered", m.Audits)
	}
}

// Many processes that start at the same time create one history, in which nothing is
// missing.
func TestSeveralProcesses(t *testing.T) {
	home := t.TempDir()
	const count = 6
	var waits []func() error
	for range count {
		cmd, begin := processWaiting(t, "begin", home)
		waits = append(waits, func() error { begin(); return cmd.Wait() })
	}
	errs := make(chan error, count)
	for _, wait := range waits {
		go func() { errs <- wait() }()
	}
	for range count {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	s := reopened(t, home)
	if m := must(s.Recall(t.Context(), noon))(t); m.Audits != count || s.Notice() != "" {
		t.Errorf("%d audits remembered, want %d; notice %q", m.Audits, count, s.Notice())
	}
}

// Several goroutines may use one history.
func TestSeveralGoroutines(t *testing.T) {
	s, _ := opened(t)
	doc := document(t, 2)
	errs := make(chan error)
	for i := range 8 {
		go func() { errs <- use(t.Context(), s, audited(doc, noon.Add(time.Duration(i)*time.Minute))) }()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
