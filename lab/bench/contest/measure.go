// Package contest runs programs in turn and measures their time and memory. It also checks
// that they do the same work.
//
// Start at [Place.Race]. The program that calls it must call [Main] when its first argument
// is [Verb].
package contest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Verb is the argument that makes a program the small parent of one contestant. The kernel
// counts the parent's memory as peak memory of a child (exec_mmap in fs/exec.c), so the
// parent must not be a benchmark that holds large documents. The time to enter a scene's
// namespaces is also left out of the figures.
const Verb = "measure-one-command"

// Sample is one run of a contestant.
type Sample struct {
	Elapsed time.Duration // from before the process is made to after its end
	MaxRSS  int64         // bytes
	Code    int           // exit status
}

// Main runs one command with its output in a file, and prints the Sample. It returns the
// exit status.
func Main(output string, argv []string) int {
	s, err := runOne(output, argv)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func runOne(output string, argv []string) (Sample, error) {
	out, err := os.Create(output)
	if err != nil {
		return Sample{}, err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	start := time.Now()
	err = cmd.Run()
	elapsed := time.Since(start)
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return Sample{}, err
	}
	used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return Sample{}, errors.New("the system does not say what a process used")
	}
	return Sample{Elapsed: elapsed, MaxRSS: used.Maxrss << 10, Code: cmd.ProcessState.ExitCode()}, nil
}

// Place is where contestants run: on this machine, or in a scene.
type Place struct {
	Helper  string // path of the program that calls Main
	Output  string // a file that contestants can write to
	Command func(ctx context.Context, argv ...string) *exec.Cmd
}

// Contestant is a command and the exit statuses that are no error.
type Contestant struct {
	Argv []string
	Ends []int
}

// Measure runs a contestant once. Its output is then in p.Output.
func (p Place) Measure(ctx context.Context, c Contestant) (Sample, error) {
	var s Sample
	cmd := p.Command(ctx, append([]string{p.Helper, Verb, p.Output}, c.Argv...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	text, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("measure %s: %w: %s", c.Argv[0], err, strings.TrimSpace(errs.String()))
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("measure %s: %w", c.Argv[0], err)
	}
	if !slices.Contains(c.Ends, s.Code) {
		return s, fmt.Errorf("%s ended with %d: %s", c.Argv[0], s.Code, strings.TrimSpace(errs.String()))
	}
	return s, nil
}

// Race runs the contestants in turn, round after round, so that other work of the machine
// affects all of them. It returns the samples of each contestant.
func (p Place) Race(ctx context.Context, rounds int, contestants ...Contestant) ([][]Sample, error) {
	samples := make([][]Sample, len(contestants))
	for range rounds {
		for i, c := range contestants {
			s, err := p.Measure(ctx, c)
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], s)
		}
	}
	return samples, nil
}
