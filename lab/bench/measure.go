package main

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

// measureVerb makes this program the small parent of one contestant. The
// kernel counts a parent's memory into what a child is said to have used at
// its peak (exec_mmap in fs/exec.c), so the benchmark itself, which holds
// large documents, must not be it; and what it takes to enter the scene's
// namespaces stays out of the figures.
const measureVerb = "measure-one-command"

// sample is one run of a contestant.
type sample struct {
	Elapsed time.Duration // from before the process is made to after its end
	MaxRSS  int64         // bytes
	Code    int           // exit status
}

// measureMain runs one command, its output into a file, and prints the sample.
func measureMain(output string, argv []string) int {
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

func runOne(output string, argv []string) (sample, error) {
	out, err := os.Create(output)
	if err != nil {
		return sample{}, err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	start := time.Now()
	err = cmd.Run()
	elapsed := time.Since(start)
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return sample{}, err
	}
	used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return sample{}, errors.New("the system does not say what a process used")
	}
	return sample{Elapsed: elapsed, MaxRSS: used.Maxrss << 10, Code: cmd.ProcessState.ExitCode()}, nil
}

// place is where contestants run: on this machine, or in a scene.
type place struct {
	helper  string // this program, as it is called there
	output  string // a file that contestants may write to
	command func(ctx context.Context, argv ...string) *exec.Cmd
}

// contestant is a command, and the exit statuses that it may end with.
type contestant struct {
	argv []string
	ends []int
}

// measure runs a contestant once. Its output is then in p.output.
func (p place) measure(ctx context.Context, c contestant) (sample, error) {
	var s sample
	cmd := p.command(ctx, append([]string{p.helper, measureVerb, p.output}, c.argv...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	text, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("measure %s: %w: %s", c.argv[0], err, strings.TrimSpace(errs.String()))
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("measure %s: %w", c.argv[0], err)
	}
	if !slices.Contains(c.ends, s.Code) {
		return s, fmt.Errorf("%s ended with %d: %s", c.argv[0], s.Code, strings.TrimSpace(errs.String()))
	}
	return s, nil
}

// race runs the contestants in turn, round after round, so that whatever else
// the machine does falls on all of them. The answer is by contestant.
func (p place) race(ctx context.Context, rounds int, contestants ...contestant) ([][]sample, error) {
	samples := make([][]sample, len(contestants))
	for range rounds {
		for i, c := range contestants {
			s, err := p.measure(ctx, c)
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], s)
		}
	}
	return samples, nil
}

// seconds and mebibytes are what a row is made of.
func seconds(samples []sample) []float64 {
	return figures(samples, func(s sample) float64 { return s.Elapsed.Seconds() })
}

func mebibytes(samples []sample) []float64 {
	return figures(samples, func(s sample) float64 { return float64(s.MaxRSS) / (1 << 20) })
}

func figures(samples []sample, figure func(sample) float64) []float64 {
	list := make([]float64, len(samples))
	for i, s := range samples {
		list[i] = figure(s)
	}
	return list
}

// sum adds what was done one after the other in the same round.
func sum(a, b []float64) []float64 {
	total := make([]float64, len(a))
	for i := range a {
		total[i] = a[i] + b[i]
	}
	return total
}

// median is the middle figure, or the mean of the two in the middle.
func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
