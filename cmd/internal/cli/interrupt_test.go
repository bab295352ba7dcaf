package cli

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stuckVariable makes the test's program one that does not end when its context ends, after it wrote a line.
const stuckVariable = "STACKPOLICY_TEST_STUCK"

func TestMain(m *testing.M) {
	if how := os.Getenv(stuckVariable); how != "" {
		wait, _ := time.ParseDuration(strings.TrimSuffix(how, " patient"))
		ctx, _ := Context(wait)
		if strings.HasSuffix(how, " patient") {
			Patient()
		}
		os.Stdout.WriteString("ready\n")
		<-ctx.Done()
		time.Sleep(3 * time.Second)
		os.Exit(7)
	}
	os.Exit(m.Run())
}

// TestAProgramThatDoesNotEnd: a second signal ends it, or the wait; not one that waits for a
// command, and not one without a limit.
func TestAProgramThatDoesNotEnd(t *testing.T) {
	for name, c := range map[string]struct {
		how     string
		signals []syscall.Signal
		want    int
	}{
		"a second Ctrl-C":        {"1h", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 130},
		"SIGTERM after Ctrl-C":   {"1h", []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, 130},
		"the wait is over":       {"100ms", []syscall.Signal{syscall.SIGTERM}, 143},
		"it ends in time":        {"1h", []syscall.Signal{syscall.SIGTERM}, 7},
		"no limit":               {"0s", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 7},
		"it waits for a command": {"100ms patient", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), stuckVariable+"="+c.how)
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			for _, s := range c.signals {
				if err := cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
				time.Sleep(200 * time.Millisecond)
			}
			exit := new(exec.ExitError)
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != c.want {
				t.Errorf("it ended with %v, want %d", err, c.want)
			}
		})
	}
}
