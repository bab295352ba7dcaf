package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"stackpolicy/fleet/questions"
	"stackpolicy/fleet/streams"
	"stackpolicy/replay"
)

// ask measures an impact over all hosts, by one worker and by two, and by a host itself.
func (b *bench) ask(ctx context.Context) error {
	layer := filepath.Join(b.folder, "settings.yaml")
	text := "settings: {decide: [{invariant: stack_running, units: [\"*\"], severity: ticket}]}\n"
	if err := os.WriteFile(layer, []byte(text), 0o600); err != nil {
		return err
	}
	var took [3]time.Duration
	for _, workers := range []int{1, 2} {
		i, start, whole, err := b.impact(ctx, layer, workers)
		if err != nil {
			return err
		}
		took[workers] = whole
		b.say("impact of %d audits by %d workers: %.1f s, after they had started in %.1f s", i.Audits, workers, whole.Seconds(), start.Seconds())
		if workers == 1 {
			b.figure("impact: of a host and day, one worker", whole.Seconds()/float64(b.hosts*b.days)*1000, 0, "ms", true)
			b.figure("impact: of a document, one worker", whole.Seconds()/float64(i.Documents)*1000, b.own(ctx, layer)*1000, "ms", true)
		}
	}
	bound := 1.7
	if b.options.histories < b.hosts {
		bound = 0 // each decides what the other one decides too
	}
	b.figure("impact: two workers against one", took[1].Seconds()/took[2].Seconds(), bound, "times", false)
	return nil
}

// impact asks workers of whom none has decided anything. It returns how long they took to start,
// and then to answer.
func (b *bench) impact(ctx context.Context, layer string, workers int) (i questions.Impact, start, whole time.Duration, err error) {
	if err := b.quiet(ctx); err != nil {
		return i, 0, 0, err
	}
	work, cancel := context.WithCancel(ctx)
	group, within := errgroup.WithContext(work)
	defer func() { cancel(); _ = group.Wait() }()
	begin := time.Now()
	for range workers {
		group.Go(func() error {
			cmd := exec.CommandContext(within, b.stackfleet, "--data", b.data, "worker")
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			cmd.Stderr = os.Stderr
			_ = cmd.Run()
			return nil
		})
	}
	if err := b.waiting(ctx, workers); err != nil {
		return i, 0, 0, err
	}
	start = time.Since(begin)
	i, err = decoded[questions.Impact](b.run(ctx, "impact", "--only-ask", "--settings", layer, "--since", "400d", "-o", "json"))
	whole = time.Since(begin) - start
	if err == nil && (i.Sources != b.hosts || i.Audits == 0) {
		err = fmt.Errorf("the impact is of %d hosts and %d audits", i.Sources, i.Audits)
	}
	return i, start, whole, err
}

// waiting waits until so many workers wait for a question.
func (b *bench) waiting(ctx context.Context, workers int) error {
	c, err := b.js.Consumer(ctx, streams.Work, streams.Workers)
	if err != nil {
		return err
	}
	return every(ctx, 20*time.Millisecond, func() (bool, error) {
		info, err := c.Info(ctx)
		return err == nil && info.NumWaiting >= workers, err
	})
}

// idle is how much of a processor a hub may use that has nothing to do.
const idle = 0.05

// quiet waits until the hub does nothing else: what it does would be measured, too.
func (b *bench) quiet(ctx context.Context) error {
	before, err := processorOf(b.serve.Process.Pid)
	if err != nil {
		return err
	}
	return every(ctx, time.Second, func() (bool, error) {
		now, err := processorOf(b.serve.Process.Pid)
		isIdle := now-before < idle
		before = now
		return isIdle, err
	})
}

// every asks again after each pause until the answer is yes.
func every(ctx context.Context, pause time.Duration, done func() (bool, error)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		if is, err := done(); is || err != nil {
			return err
		}
	}
}

// processorOf returns the seconds of processor time that a process has used (proc_pid_stat(5)).
func processorOf(pid int) (seconds float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(text, []byte(") ")) // its name may have spaces
	fields := bytes.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("read the processor time of %d: %q", pid, text)
	}
	for _, f := range fields[11:13] {
		ticks, err := strconv.Atoi(string(f))
		if err != nil {
			return 0, err
		}
		seconds += float64(ticks) / ticksPerSecond
	}
	return seconds, nil
}

// ticksPerSecond is the unit of processor time in /proc on every Linux that Go runs on.
const ticksPerSecond = 100

// own is how long a host takes for a document of its own impact, in seconds.
func (b *bench) own(ctx context.Context, layer string) float64 {
	cmd := exec.CommandContext(ctx, b.policy, "impact", "--memory", filepath.Join(b.folder, "history0", "stackpolicy", "history.db"), "--settings", layer, "--since", "400d", "-o", "json")
	begin := time.Now()
	out, _ := cmd.Output() // 1 is a change
	took := time.Since(begin)
	i, err := decoded[replay.Impact](out, nil)
	if err != nil || i.Documents == 0 {
		b.say("the host's own impact: %v\n%s", err, out)
		return 0
	}
	return took.Seconds() / float64(i.Documents)
}
