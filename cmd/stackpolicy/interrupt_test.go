package main

import (
	"bytes"
	"context"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/cmd/internal/cli"
)

// TestInterrupted: after Ctrl-C a command says so, and writes neither a result nor a file.
func TestInterrupted(t *testing.T) {
	for _, line := range []string{
		"eval", "eval -o json", "explain host", "blame web.service", "facts", "init --write --program=/opt/bin/stackpolicy",
		"policy test", "policy check", "history", "replay", "impact", "policy learn --at=2h", "gate begin", "gate end", "gate run -- /bin/true",
	} {
		t.Run(line, func(t *testing.T) {
			home := t.TempDir()
			t.Setenv("HOME", home)
			t.Setenv("XDG_RUNTIME_DIR", home)
			for _, name := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME", "DBUS_SESSION_BUS_ADDRESS", "CONTAINER_HOST"} {
				t.Setenv(name, "")
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(cli.ErrInterrupted)
			var out, errs bytes.Buffer
			if got := run(ctx, strings.Fields(line), strings.NewReader(""), &out, &errs); got != 130 || !strings.HasSuffix(errs.String(), "stackpolicy: interrupted\n") {
				t.Errorf("exit status %d, want 130: %s", got, errs.String())
			}
			if out.Len() > 0 {
				t.Errorf("it wrote %.200s", out.String())
			}
			for _, path := range filesIn(t, home) {
				t.Errorf("it left %s", path)
			}
		})
	}
}

// filesIn lists the files below a home, without what audits remember.
func filesIn(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !strings.Contains(path, "/.local/state/stackpolicy/") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestControlC interrupts the program while podman does not answer.
func TestControlC(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("stackpolicy") // testscript.Main put it there
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"eval", "init --write --program=/opt/bin/stackpolicy"} {
		home := t.TempDir()
		if err := os.Mkdir(filepath.Join(home, "podman"), 0o755); err != nil {
			t.Fatal(err)
		}
		silent, err := net.Listen("unix", filepath.Join(home, "podman/podman.sock"))
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		cmd := exec.CommandContext(t.Context(), program, strings.Fields(line)...)
		cmd.Env = []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "PATH="}
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		asked, err := silent.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer asked.Close()
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // its status is checked below
		if got := cmd.ProcessState.ExitCode(); got != 130 || errs.String() != "stackpolicy: interrupted\n" || out.Len() > 0 {
			t.Errorf("%s: exit status %d, want 130; it says %q and %q", line, got, errs.String(), out.String())
		}
		for _, path := range filesIn(t, home) {
			if !strings.HasSuffix(path, ".sock") {
				t.Errorf("%s: it left %s", line, path)
			}
		}
	}
}
