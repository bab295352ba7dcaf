package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/finding"
	"stackpolicy/fleet/release"
)

func TestMain(m *testing.M) {
	cli.ServeRules() // a test of a command without the program has rules evaluated by this binary
	testscript.Main(m, map[string]func(){"stackpolicy": main})
}

// TestScripts runs the transcripts in testdata/script: the program as an operator uses
// it, on recorded facts, and without a manager.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               offline,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status, "edit": edit, "grow": grow, "faster": faster, "fifo": fifo,
			"publish": publish, "active-rule": activeRule,
		},
	})
}

// offline hides the real manager, podman and configuration, and sets $FACTS to the
// folder of the recorded facts.
func offline(e *testscript.Env) error {
	recorded, err := filepath.Abs("../../testdata/facts")
	if err != nil {
		return err
	}
	e.Values[signer{}] = new(release.SigningKey)
	bin, _, _ := strings.Cut(e.Getenv("PATH"), string(os.PathListSeparator))
	e.Vars = append(e.Vars,
		"PATH="+bin, "HOME="+filepath.Join(e.WorkDir, "home"), "XDG_RUNTIME_DIR="+filepath.Join(e.WorkDir, "nowhere"),
		"XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "DBUS_SESSION_BUS_ADDRESS=", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent",
		"CONTAINER_HOST=", "NO_COLOR=", "TERM=xterm", "USER=alice", "FACTS="+recorded,
	)
	return os.Mkdir(filepath.Join(e.WorkDir, "home"), 0o755)
}

// status N COMMAND… runs a command and checks that its exit status is N.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND ARG…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if exit, ok := err.(*exec.ExitError); ok {
		got = strings.TrimPrefix(exit.Error(), "exit status ")
	} else if err != nil {
		ts.Fatalf("run %s: %v", args[1], err)
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

// edit FILE OLD NEW replaces a text that occurs exactly once in the file.
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	unescape := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\e`, "\x1b")
	old, replacement := unescape.Replace(args[1]), unescape.Replace(args[2])
	if n := strings.Count(text, old); n != 1 {
		ts.Fatalf("%q occurs in %s %d times, want once", old, args[0], n)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, old, replacement, 1)), 0o644))
}

// grow FILE makes it a sparse file of 200 MB.
func grow(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.Truncate(ts.MkAbs(args[0]), 200e6))
}

// fifo NAME makes a FIFO that nobody writes to.
func fifo(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o600))
}

// faster LIMIT N COMMAND… is status with a time limit.
func faster(ts *testscript.TestScript, neg bool, args []string) {
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	start := time.Now()
	status(ts, neg, args[1:])
	if took := time.Since(start); took > limit {
		ts.Fatalf("took %s, want less than %s", took, limit)
	}
}

// TestAReaderThatHasSeenEnough: the exit status does not change if a reader stops.
func TestAReaderThatHasSeenEnough(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("stackpolicy") // testscript.Main put it there
	if err != nil {
		t.Fatal(err)
	}
	for doc, want := range map[string]int{"good": finding.LevelOK.ExitCode(), "page": finding.LevelCritical.ExitCode(), "gap": finding.LevelUnknown.ExitCode()} {
		for _, format := range []string{"table", "json"} {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, "eval", "--facts", "../../testdata/facts/"+doc+".json", "-o", format)
			var errs strings.Builder
			cmd.Stdout, cmd.Stderr = w, &errs
			r.Close()
			_ = cmd.Run() // its status is checked below
			w.Close()
			if got := cmd.ProcessState.ExitCode(); got != want || strings.Contains(errs.String(), "broken pipe") {
				t.Errorf("%s as %s: exit status %d, want %d, and it says %q", doc, format, got, want, errs.String())
			}
		}
	}
}
