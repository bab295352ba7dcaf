// Command run runs the scenarios of lab/matrix, each on its own machine, on every Debian
// release. Arguments select releases and scenarios:
//
//	go run ./lab/matrix/run
//	go run ./lab/matrix/run trixie auto_update preflight_failure
//
// It makes missing root file systems, which takes a minute or two each. It prints a table
// of the scenarios with the seconds that each took, and exits with 1 if one failed or could
// not run. It needs root, and some packages; if they are missing it names them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/machine"
)

// The package that is run, its scenarios, and how to install what it needs.
const (
	matrix    = "stackpolicy/lab/matrix"
	scenarios = "lab/matrix/testdata"
	install   = "apt-get install --no-install-recommends systemd-container mmdebstrap util-linux"
)

var suites = []string{debian.Trixie, debian.Bookworm}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
}

// selection says what to run.
type selection struct {
	suites, scenarios []string // in order; never empty
	parallel          int      // machines at once
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	known, err := list(filepath.Join(root, scenarios))
	if err != nil {
		return err
	}
	s, err := parse(args, known, errs)
	if err != nil {
		return err
	}
	if err := prepare(ctx, s.suites); err != nil {
		return err
	}
	begin := time.Now()
	results, err := test(ctx, root, s, errs)
	fmt.Fprint(out, table(s, results, time.Since(begin)))
	return errors.Join(err, results.verdict(s))
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "stackpolicy").Output()
	if err != nil {
		return "", fmt.Errorf("find the sources: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// list returns the names of all scenarios.
func list(dir string) (names []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, fmt.Errorf("find scenarios in %s: %w", dir, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("find scenarios in %s: no file is named *.txtar", dir)
	}
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".txtar"))
	}
	return names, nil
}

func parse(args, known []string, errs io.Writer) (selection, error) {
	s := selection{}
	set := flag.NewFlagSet("matrix", flag.ContinueOnError)
	set.SetOutput(errs)
	set.IntVar(&s.parallel, "parallel", 3, "machines at once")
	if err := set.Parse(args); err != nil {
		return s, err
	}
	for _, name := range set.Args() {
		switch {
		case slices.Contains(suites, name):
			s.suites = append(s.suites, name)
		case slices.Contains(known, name):
			s.scenarios = append(s.scenarios, name)
		default:
			return s, fmt.Errorf("no release or scenario %q; known: %s", name, strings.Join(slices.Concat(suites, known), ", "))
		}
	}
	if s.parallel < 1 {
		return s, errors.New("want at least one machine at once")
	}
	if len(s.suites) == 0 {
		s.suites = suites
	}
	if len(s.scenarios) == 0 {
		s.scenarios = known
	}
	return s, nil
}

// prepare makes the root file systems before any scenario starts.
func prepare(ctx context.Context, suites []string) error {
	for _, suite := range suites {
		if err := machine.Available(machine.Options{Suite: suite}); err != nil {
			return fmt.Errorf("%w\nhint: as root on Debian: %s", err, install)
		}
		if _, err := debian.Cached(ctx, suite); err != nil {
			return err
		}
	}
	return nil
}

// test runs go test, and prints each scenario when it ends.
func test(ctx context.Context, root string, s selection, errs io.Writer) (results, error) {
	pattern := fmt.Sprintf("^TestMatrix$/^(%s)$/^(%s)$", strings.Join(s.suites, "|"), strings.Join(s.scenarios, "|"))
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-timeout=30m",
		"-parallel="+strconv.Itoa(s.parallel), "-run="+pattern, matrix)
	cmd.Dir, cmd.Stderr = root, errs
	cmd.Env = append(cmd.Environ(), "STACKPOLICY_LAB_EACH=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	stream, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run go test: %w", err)
	}
	found, err := read(stream, errs)
	if ended := cmd.Wait(); ended != nil {
		err = errors.Join(err, fmt.Errorf("go test: %w", ended))
	}
	return found, err
}
