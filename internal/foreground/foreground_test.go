package foreground

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func interrupt() os.Signal { return os.Interrupt }

func TestRun(t *testing.T) {
	for script, want := range map[string]int{"cat": 0, "exit 7": 7, "kill -TERM $$": 143, "kill -KILL $$": 137} {
		var out, errs bytes.Buffer
		status, err := Run(t.Context(), []string{"/bin/sh", "-c", script}, strings.NewReader("text"), &out, &errs, interrupt)
		if err != nil || status != want {
			t.Errorf("%s: %d, %v; want %d", script, status, err, want)
		}
		if script == "cat" && out.String() != "text" {
			t.Errorf("its output: %q", out.String())
		}
	}
	if status, err := Run(t.Context(), []string{"/nonexistent/program"}, nil, nil, nil, interrupt); err == nil {
		t.Errorf("a program that does not exist: status %d", status)
	}
}

// TestTheContextEnds: the command gets the signal, and has the time that it needs to end.
func TestTheContextEnds(t *testing.T) {
	for _, s := range []struct {
		signal os.Signal
		name   string
		status int
	}{{os.Interrupt, "INT", 130}, {syscall.SIGTERM, "TERM", 143}} {
		dir := t.TempDir()
		begun, done := filepath.Join(dir, "begun"), filepath.Join(dir, "done")
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for range 1000 {
				if _, err := os.Stat(begun); err == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			cancel()
		}()
		script := "trap 'sleep 0.2; : >" + done + "; trap - " + s.name + "; kill -" + s.name + " $$' " + s.name + "; : >" + begun + "; while :; do sleep 0.05; done"
		status, err := Run(ctx, []string{"/bin/sh", "-c", script}, nil, nil, nil, func() os.Signal { return s.signal })
		if hasTerminal() && s.signal == os.Interrupt {
			t.Skip("on a terminal, Ctrl-C is the terminal's to send")
		}
		if err != nil || status != s.status {
			t.Errorf("%s: %d, %v; want %d", s.name, status, err, s.status)
		}
		if _, err := os.Stat(done); err != nil {
			t.Errorf("%s: it was not left to end: %v", s.name, err)
		}
	}
}
