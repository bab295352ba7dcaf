package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/stack"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"stackctl": main})
}

// TestScripts runs the transcripts in testdata/stackctl: the program as an
// operator uses it, where no manager and no podman answers.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/stackctl",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               offline,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"status": status, "narrow": narrow},
	})
}

// offline takes every way to a real manager, podman or configuration away. A
// folder bin of the script's own is on the PATH.
func offline(e *testscript.Env) error {
	programs, _, _ := strings.Cut(e.Getenv("PATH"), string(os.PathListSeparator))
	path := []string{programs, filepath.Join(e.WorkDir, "bin")}
	e.Vars = append(e.Vars,
		"PATH="+strings.Join(path, string(os.PathListSeparator)), "HOME="+filepath.Join(e.WorkDir, "home"),
		"XDG_RUNTIME_DIR="+filepath.Join(e.WorkDir, "nowhere"), "XDG_CONFIG_HOME=", "XDG_STATE_HOME=",
		"DBUS_SESSION_BUS_ADDRESS=", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent", "CONTAINER_HOST=",
		"INVOCATION_ID=", "JOURNAL_STREAM=", "TERM=xterm", "USER=alice",
	)
	return os.MkdirAll(filepath.Join(e.WorkDir, "home/.config/stackpolicy"), 0o755)
}

// status OUTCOME COMMAND… runs a command and wants its exit status to be that of
// the outcome.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status OUTCOME COMMAND ARG…")
	}
	want := -1
	for _, o := range stack.Outcomes() {
		if o.Name == args[0] {
			want = o.Status
		}
	}
	if want < 0 {
		ts.Fatalf("no outcome %q", args[0])
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("run %s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d (%s)", got, want, args[0])
	}
}

// narrow FILE wants no line to be longer than 80 columns.
func narrow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: narrow FILE")
	}
	for _, line := range strings.Split(ts.ReadFile(args[0]), "\n") {
		if n := utf8.RuneCountInString(line); n > 80 {
			ts.Fatalf("%d columns: %s", n, line)
		}
	}
}

// TestAReaderThatHasSeenEnough leaves the exit status what it is.
func TestAReaderThatHasSeenEnough(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("stackctl") // testscript.Main put it there
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	config := filepath.Join(home, "stackpolicy/config.yaml")
	if err := os.Mkdir(filepath.Dir(config), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte("stacks: {web: {}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cases := map[string]stack.Outcome{
		"--help": stack.IsUp, "status": stack.Unknown, "status -o json": stack.Unknown, "verify web": stack.Usage, "preflight web": stack.Usage,
	}
	for args, want := range cases {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, strings.Fields(args)...)
		cmd.Env = []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_RUNTIME_DIR=" + home, "PATH="}
		var errs strings.Builder
		cmd.Stdout, cmd.Stderr = w, &errs
		r.Close()
		_ = cmd.Run() // its status is looked at below
		w.Close()
		if got := cmd.ProcessState.ExitCode(); got != want.Status || errs.Len() > 0 {
			t.Errorf("%s: exit status %d, want %d, and it says %q", args, got, want.Status, errs.String())
		}
	}
}

// TestInterrupted: after Ctrl-C a command without a status of its own for that says so, and
// shows nothing.
func TestInterrupted(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, home)
	}
	path := filepath.Join(home, "stackpolicy/config.yaml")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("stacks: {web: {}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cli.ErrInterrupted)
	var out, errs strings.Builder
	if got := run(ctx, []string{"status"}, &out, &errs, ""); got != 130 || errs.String() != "stackctl: interrupted\n" || out.Len() > 0 {
		t.Errorf("exit status %d, want 130: %q, %q", got, errs.String(), out.String())
	}
}
