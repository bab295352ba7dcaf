package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/testscript"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/generation"
)

// commandLimit bounds every command of a transcript.
const commandLimit = 2 * time.Minute

// commands are the commands of a transcript that run in this process. user, root and until
// are programs.
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"status":   status,
	"audit":    audit,
	"declare":  declare,
	"activate": activate,
	"relink":   relink,
	"image":    image,
	"registry": registry,
	"write":    write,
	"reboot":   reboot,
	"database": database,
	"follow":   follow,
}

// isSuite makes the conditions [trixie] and [bookworm].
func isSuite(suite string) func(string) (bool, error) {
	return func(condition string) (bool, error) {
		switch condition {
		case debian.Trixie, debian.Bookworm:
			return condition == suite, nil
		}
		return false, fmt.Errorf("unknown condition %q", condition)
	}
}

func usage(ts *testscript.TestScript, ok bool, text string) {
	if !ok {
		ts.Fatalf("usage: %s", text)
	}
}

// limited bounds what one command does.
func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), commandLimit)
}

// status N COMMAND… runs a command and expects the exit status N.
func status(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 1, "status N COMMAND…")
	got := exitStatus(ts, args[1:])
	if got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

func exitStatus(ts *testscript.TestScript, argv []string) string {
	err := ts.Exec(argv[0], argv[1:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return strconv.Itoa(exit.ExitCode())
	}
	ts.Check(err)
	return "0"
}

// finding is the part of a decision that a transcript names, on one line: invariant,
// subject, severity and case.
type finding struct {
	Invariant, Subject, Effect, Severity string
	Evidence                             struct{ Case string }
}

func (f finding) String() string {
	return strings.TrimSpace(strings.Join([]string{f.Invariant, f.Subject, f.Severity, f.Evidence.Case}, " "))
}

// audit N ['INVARIANT SUBJECT SEVERITY CASE'…] audits, and expects exit status N and
// exactly these findings. 'gap COLLECTOR' is a collector that failed. Invariants that are
// undecided because of it need not be named.
func audit(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "audit N [FINDING…]")
	ctx, cancel := limited()
	defer cancel()
	cmd := of(ts).Command(ctx, "stackpolicy", "eval", "--output=json")
	cmd.Stderr = ts.Stderr()
	out, err := cmd.Output()
	got := cmd.ProcessState.ExitCode()
	found, bad := findings(out)
	if bad != nil {
		ts.Fatalf("%v: %v\n%s", err, bad, out)
	}
	want := slices.Sorted(slices.Values(args[1:]))
	found = slices.DeleteFunc(found, func(f string) bool {
		return strings.HasSuffix(f, " unknown gap") && !slices.Contains(want, f)
	})
	if diff := cmp.Diff(want, found, cmpopts.EquateEmpty()); strconv.Itoa(got) != args[0] || diff != "" {
		ts.Fatalf("exit status %d, want %s; findings (-want +got):\n%s", got, args[0], diff)
	}
}

// findings returns the findings and gaps of a report, sorted.
func findings(text []byte) (found []string, err error) {
	var report struct {
		Decisions []finding
		Gaps      []struct{ Collector string }
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	for _, d := range report.Decisions {
		if d.Effect != "allow" {
			found = append(found, d.String())
		}
	}
	for _, g := range report.Gaps {
		found = append(found, "gap "+g.Collector)
	}
	slices.Sort(found)
	return found, nil
}

// declare PATH FILE declares FILE of the transcript at PATH below ~/.config. Without FILE
// it removes PATH from the declaration. It takes effect with activate or relink.
func declare(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && (len(args) == 1 || len(args) == 2), "declare PATH [FILE]")
	delete(of(ts).declared, args[0])
	if len(args) == 2 {
		of(ts).declared[args[0]] = ts.ReadFile(args[1])
	}
	ts.Check(of(ts).writeDeclared())
}

// activate [FORCED…] does what home-manager switch does: it links what is
// declared into the home, with force for paths with a prefix FORCED, and reloads
// the manager. It starts and restarts nothing.
func activate(ts *testscript.TestScript, neg bool, args []string) {
	relink(ts, neg, args)
	if !neg {
		ts.Check(ts.Exec("user", "systemctl", "--user", "daemon-reload"))
	}
}

// relink is activate without the reload. Home Manager omits the reload, without a message,
// if the manager is neither running nor degraded.
func relink(ts *testscript.TestScript, neg bool, args []string) {
	err := of(ts).relink(args...)
	var collision *generation.CollisionError
	switch {
	case neg && errors.As(err, &collision):
		fmt.Fprintln(ts.Stderr(), err)
	case neg:
		ts.Fatalf("linked (%v), want a collision", err)
	default:
		ts.Check(err)
	}
}

// image NAME VERSION [COMMAND…] makes an image whose containers serve VERSION, or
// run COMMAND.
func image(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) >= 2, "image NAME VERSION [COMMAND…]")
	ctx, cancel := limited()
	defer cancel()
	ts.Check(of(ts).image(ctx, args[0], args[1], args[2:]...))
}

// registry starts the machine's registry, 127.0.0.1:5000.
func registry(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 0, "registry")
	ctx, cancel := limited()
	defer cancel()
	_, err := of(ts).Registry(ctx)
	ts.Check(err)
}

// write PATH FILE writes FILE of the transcript to PATH in the machine.
func write(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "write PATH FILE")
	ts.Check(of(ts).Write(args[0], ts.ReadFile(args[1])))
}

// reboot cuts the machine's power, and boots it again.
func reboot(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 0, "reboot")
	ctx, cancel := limited()
	defer cancel()
	ts.Check(of(ts).Reboot(ctx))
	for _, variable := range of(ts).Environ() {
		key, value, _ := strings.Cut(variable, "=")
		ts.Setenv(key, value)
	}
}
