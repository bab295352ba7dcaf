package history

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/sqlite"
)

// If this variable is set to one of parts, the test binary runs that part in another process.
const partVariable = "HISTORY_TEST_PART"

// parts are functions for another process, which use the history below a folder. Each writes
// to standard output when it has started.
var parts = map[string]func(home string) error{"lock": playLock, "begin": playBegin, "audits": playAudits}

func TestMain(m *testing.M) {
	play, other := parts[os.Getenv(partVariable)]
	if !other {
		os.Exit(m.Run())
	}
	if err := play(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process starts another process, and waits until it has started its work.
func process(t *testing.T, part, home string) *exec.Cmd {
	t.Helper()
	cmd, _ := processWaiting(t, part, home)
	return cmd
}

// processWaiting also returns the process's standard input, which makes it continue.
func processWaiting(t *testing.T, part, home string) (cmd *exec.Cmd, proceed func()) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), must(os.Executable())(t), home)
	cmd.Env, cmd.Stderr = append(os.Environ(), partVariable+"="+part), os.Stderr
	out := must(cmd.StdoutPipe())(t)
	in := must(cmd.StdinPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if !bufio.NewScanner(out).Scan() {
		t.Fatalf("the process that plays %s ended at once: %v", part, cmd.Wait())
	}
	return cmd, func() { fmt.Fprintln(in) }
}

// playLock locks the history until standard input ends.
func playLock(home string) error {
	s, err := Open(context.Background(), home, noon)
	if err != nil {
		return err
	}
	return s.db.Update(context.Background(), func(sqlite.Tx) error {
		fmt.Println("locked")
		_, err := io.ReadAll(os.Stdin)
		return err
	})
}

// playBegin opens the history when standard input has a line, and records one audit.
func playBegin(home string) error {
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	s, err := Open(context.Background(), home, noon)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Record(context.Background(), Audit{At: noon, Document: &facts.Document{Units: []facts.Unit{}}})
	return err
}

const (
	perHour = 3 // the budget of restarts of playAudits
	actLog  = "acts"
)

// playAudits audits until it is killed: it opens the history, recalls, acts within its
// budget, and records. The time between two audits is five minutes.
func playAudits(home string) error {
	for begun := false; ; begun = true {
		s, err := Open(context.Background(), home, noon)
		if err != nil {
			return err
		}
		if s.Notice() != "" {
			return fmt.Errorf("it begins anew: %s", s.Notice())
		}
		if !begun {
			fmt.Println("auditing")
		}
		if err := oneAudit(s, home); err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
}

func oneAudit(s *Store, home string) error {
	ctx := context.Background()
	now := noon
	last, err := s.LastAudit(ctx)
	if err != nil {
		return err
	}
	if last != nil {
		now = last.To.Add(5 * time.Minute)
	}
	memory, err := s.Recall(ctx, now)
	if err != nil {
		return err
	}
	web := memory.Subjects["web.service"]
	doc := &facts.Document{Units: []facts.Unit{{Name: "web.service", Loaded: &facts.Loaded{Restarts: memory.Audits}}}}
	switch {
	case web.Breaker != nil:
	case len(web.Heals) > 0 && web.Heals[0].Tried1h >= perHour:
		if err := s.OpenBreaker(ctx, "web.service", "too many", now, now.Add(time.Hour)); err != nil {
			return err
		}
	default:
		if err := act(ctx, s, home, now, doc); err != nil {
			return err
		}
	}
	_, err = s.Record(ctx, audited(doc, now, broken("stack_running", "web.service", strconv.Itoa(memory.Audits%3))))
	return err
}

// act writes its action to a log that does not belong to the history.
func act(ctx context.Context, s *Store, home string, now time.Time, doc *facts.Document) error {
	id, err := s.Intend(ctx, restart(now, ""), doc)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(home+"/"+actLog, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(log, now.Unix()); err != nil {
		return err
	}
	if err := log.Close(); err != nil {
		return err
	}
	if err := s.Conclude(ctx, id, Done, "", 1); err != nil {
		return err
	}
	return s.Verified(ctx, id, true, doc)
}
