package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"stackpolicy/lab/scene"
)

// settles is how long a watch lets changes settle (docs/watch.md): only what it takes after that
// is measured.
const settles = 100 * time.Millisecond

// lookout is a watch that runs on a stage, as a service would.
type lookout struct {
	*stage
	cmd    *exec.Cmd
	cancel func()
	lines  chan said
}

// said is a line of a watch, and when it came.
type said struct {
	at                         time.Time
	Ready                      bool
	Invariant, Subject, Effect string
}

// watch starts a watch on a stage, with these options.
func (b *bench) watch(ctx context.Context, s *stage, options ...string) (*lookout, error) {
	// The audit's service wants this socket, behind which this machine's own podman would answer.
	if _, err := s.Systemctl(ctx, "mask", "--runtime", "podman.socket"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &lookout{stage: s, cancel: cancel, lines: make(chan said, 10_000), cmd: s.Command(ctx, append([]string{b.stackpolicy, "watch", "--follow", "-o", "json"}, options...)...)}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.cmd.Stderr = os.Stderr
	if err := l.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(l.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			line := said{at: time.Now()}
			_ = json.Unmarshal(lines.Bytes(), &line)
			l.lines <- line
		}
	}()
	_, err = l.until(func(s said) bool { return s.Ready })
	time.Sleep(5 * time.Second) // it begins to follow, and looks once more
	return l, err
}

// until waits for a line, and returns when it came.
func (l *lookout) until(is func(said) bool) (time.Time, error) {
	limit := time.After(30 * time.Second)
	for {
		select {
		case line, open := <-l.lines:
			if !open {
				return time.Time{}, errors.New("the watch ended")
			}
			if is(line) {
				return line.at, nil
			}
		case <-limit:
			return time.Time{}, errors.New("the watch said nothing within 30 s")
		}
	}
}

// end ends it with all that it started.
func (l *lookout) end() {
	l.cancel()
	for range l.lines {
	}
	_ = l.cmd.Wait() // killed
}

// change is one of a stage, and what a watch says of it.
type change struct {
	do                         func() error
	subject, invariant, effect string
}

// changes are a drop-in and a container that ends, each undone again.
func (s *stage) changes(units int) []change {
	unit := unitName(5)
	dropIn := s.Unit(unit + ".d/late.conf")
	all := append(scene.Containers(), stageContainers(units)...)
	down := slices.Clone(all)
	down[0].State, down[0].ExitCode = "exited", 137
	return []change{
		{func() error { return s.Write(dropIn, "[Service]\nNice=5\n") }, unit, "dropins_owned", "block"},
		{func() error { return os.Remove(dropIn) }, unit, "dropins_owned", "allow"},
		{func() error { return s.Podman(down...) }, "web.service", "stack_running", "block"},
		{func() error { return s.Podman(all...) }, "web.service", "stack_running", "allow"},
	}
}

// latency is how long after a change, and after it settled, the verdict is there.
func (l *lookout) latency(c change) (float64, error) {
	began := time.Now()
	if err := c.do(); err != nil {
		return 0, err
	}
	at, err := l.until(func(s said) bool { return s.Subject == c.subject && s.Invariant == c.invariant && s.Effect == c.effect })
	time.Sleep(3 * settles) // the audit records it
	return max(at.Sub(began)-settles, 0).Seconds(), err
}

// watching measures from a change to the verdict, after it settled: of a drop-in, and of a
// container's end.
func (b *bench) watching(ctx context.Context) ([]row, error) {
	var rows []row
	for _, units := range []int{50, 1000} {
		some, err := b.watchingAt(ctx, units)
		if err != nil {
			return rows, err
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

func (b *bench) watchingAt(ctx context.Context, units int) (rows []row, err error) {
	s, err := b.openStage(ctx, units)
	if err != nil {
		return nil, err
	}
	defer s.close(b)
	l, err := b.watch(ctx, s)
	if err != nil {
		return nil, err
	}
	defer l.end()
	var files, containers []float64
	for range 10 * b.short {
		for _, c := range s.changes(units) {
			took, err := l.latency(c)
			if err != nil {
				return rows, fmt.Errorf("%s of %s at %d units: %w", c.invariant, c.subject, units, err)
			}
			if c.invariant == "stack_running" {
				containers = append(containers, took)
			} else {
				files = append(files, took)
			}
		}
	}
	for what, figures := range map[string][]float64{"file": files, "container": containers} {
		slices.Sort(figures)
		rows = append(rows,
			row{claim: "i", about: fmt.Sprintf("%s, %d units", what, units), against: "a bound", unit: "s", bound: 1, ours: figures, theirs: []float64{0.03}},
			row{claim: "i", about: "the same, 99th percentile", against: "a bound", unit: "s", bound: 1, ours: []float64{figures[len(figures)*99/100]}, theirs: []float64{0.1}})
	}
	slices.SortStableFunc(rows, func(a, b row) int { return strings.Compare(a.claim, b.claim) })
	return rows, nil
}

func stageContainers(units int) []scene.Container { return containers(units - sceneUnits) }

// idleTime is how long an idle watch is measured.
const idleTime = 10 * time.Minute

// idling measures a watch of 50 units while nothing changes, and what the audits of the timer
// take in the same time.
func (b *bench) idling(ctx context.Context) (rows []row, err error) {
	s, err := b.openStage(ctx, 50)
	if err != nil {
		return nil, err
	}
	defer s.close(b)
	l, err := b.watch(ctx, s)
	if err != nil {
		return nil, err
	}
	defer l.end()
	pid, err := l.pid()
	if err != nil {
		return nil, err
	}
	before, _, err := used(pid)
	if err != nil {
		return nil, err
	}
	b.say("leave a watch alone for %s", idleTime)
	time.Sleep(idleTime)
	after, resident, err := used(pid)
	if err != nil {
		return nil, err
	}
	audit := s.Command(ctx, b.stackpolicy, "eval")
	_ = audit.Run() // its exit status is the verdict
	state := audit.ProcessState
	one := state.UserTime() + state.SystemTime()
	const audits = float64(idleTime) / float64(10*time.Minute) // of the timer
	return []row{
		{claim: "j", about: "idle watch, 10 min, CPU", against: "0.1 % of a core", unit: "s", bound: 1, ours: []float64{(after - before).Seconds()}, theirs: []float64{idleTime.Seconds() / 1000}},
		{claim: "j", about: "the same", against: "timer's audits", unit: "s", bound: 100, ours: []float64{(after - before).Seconds()}, theirs: []float64{audits * one.Seconds()}},
		{claim: "j", about: "the same, resident", against: "a bound", unit: "MiB", bound: 1, ours: []float64{resident}, theirs: []float64{40}},
	}, nil
}

// dayOfChanges is how many changes a busy account has in a day, and dayAudits how often
// everything is audited meanwhile so that it is as often as in a day.
const (
	dayOfChanges = 1152
	dayAudits    = 4 * time.Second
)

// churning measures how much memory a watch has in the second third of a day's changes, and in the
// last.
func (b *bench) churning(ctx context.Context) (rows []row, err error) {
	s, err := b.openStage(ctx, 50)
	if err != nil {
		return nil, err
	}
	defer s.close(b)
	l, err := b.watch(ctx, s, "--every", dayAudits.String())
	if err != nil {
		return nil, err
	}
	defer l.end()
	pid, err := l.pid()
	if err != nil {
		return nil, err
	}
	b.say("make the changes of a day, which takes ten minutes")
	changes := s.changes(50)
	var sizes []float64
	for i := range dayOfChanges {
		if _, err := l.latency(changes[i%len(changes)]); err != nil {
			return nil, err
		}
		_, resident, err := used(pid)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, resident)
	}
	third := dayOfChanges / 3 // the first one fills what is remembered for minutes
	return []row{{
		claim: "k", about: "a day's changes, resident in the last third", against: "in the second", unit: "MiB", bound: 1.1,
		ours: sizes[2*third:], theirs: sizes[third : 2*third],
	}}, nil
}

// pid is that of the watch itself, below the program that enters the stage.
func (l *lookout) pid() (int, error) {
	for pid := l.cmd.Process.Pid; ; {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil || strings.TrimSpace(string(name)) == "stackpolicy" {
			return pid, err
		}
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(strings.TrimSpace(string(children)), " ")
		if pid, err = strconv.Atoi(first); err != nil {
			return 0, fmt.Errorf("find the watch: %w", err)
		}
	}
}

// used returns the processor time of a process, and its resident memory in MiB (proc_pid_stat(5),
// proc_pid_status(5)).
func used(pid int) (time.Duration, float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
	user, err1 := strconv.Atoi(fields[12])
	system, err2 := strconv.Atoi(fields[13])
	resident := 0.0
	for line := range strings.Lines(string(status)) {
		if rest, is := strings.CutPrefix(line, "VmRSS:"); is {
			kib, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			resident = kib / 1024
		}
	}
	return time.Duration(user+system) * 10 * time.Millisecond, resident, errors.Join(err1, err2)
}
