package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"stackpolicy/lab/scene"
)

// about is what a finding is about, and state what a verdict says of it.
type (
	about struct{ Subject, Invariant string }
	state struct {
		Effect, Severity string
		Waived           bool
	}
	verdict map[about]state
)

// watching is a watch that runs, and the verdict that its lines add up to.
type watching struct {
	cmd *exec.Cmd

	lock  sync.Mutex
	known verdict
	last  time.Time // of the last line
	lines []string  // the last ones
	said  strings.Builder
	ended bool
}

const (
	readyTime = 20 * time.Second
	// every is how often the watch checks itself.
	every = "20s"
	// keptLines is how many lines are printed with a find.
	keptLines = 40
	// maxSaid bounds what is kept of the log of a watch.
	maxSaid = 1 << 20
)

// line is a line of `stackpolicy watch --follow -o json`.
type line struct {
	about
	state
	Ready    bool
	ExitCode *int `json:"exit_code"`
	Message  string
}

// startWatch starts a watch, which must find nothing.
func startWatch(ctx context.Context, s *scene.Scene) (*watching, error) {
	cmd := s.Command(ctx, "stackpolicy", "watch", "--follow", "-o", "json", "--every", every)
	w := &watching{cmd: cmd, known: verdict{}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan line, 1)
	go w.read(bufio.NewScanner(out), ready)
	select {
	case l := <-ready:
		if l.ExitCode == nil || *l.ExitCode != 0 {
			return nil, errors.Join(fmt.Errorf("the watch finds something where all is well, or ended: %+v %s", l, w.log()), w.stop())
		}
		return w, nil
	case <-time.After(readyTime):
		return nil, errors.Join(errors.New("the watch is not ready"), w.stop())
	}
}

func (w *watching) read(scanner *bufio.Scanner, ready chan<- line) {
	for scanner.Scan() {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			l.Subject = "no JSON: " + scanner.Text()
		}
		if l.Ready {
			ready <- l
			continue
		}
		w.note(l)
	}
	w.lock.Lock()
	w.ended = true
	w.lock.Unlock()
	select {
	case ready <- line{}:
	default:
	}
}

func (w *watching) note(l line) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.last = time.Now()
	w.lines = append(w.lines, fmt.Sprintf("%s %v %v %.200s", w.last.Format("15:04:05.000"), l.about, l.state, l.Message))
	if len(w.lines) > keptLines {
		w.lines = w.lines[1:]
	}
	if l.Effect == "allow" {
		delete(w.known, l.about)
	} else {
		w.known[l.about] = l.state
	}
}

// Write notes what the watch says.
func (w *watching) Write(p []byte) (int, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.said.Len() < maxSaid {
		w.said.Write(p)
	}
	return len(p), nil
}

// verdict is what the lines add up to, without what was found before and is unknown because a
// fresh audit cannot decide it either.
func (w *watching) verdict(fresh verdict) verdict {
	w.lock.Lock()
	defer w.lock.Unlock()
	known := maps.Clone(w.known)
	isUnknown := func(k about) bool { return w.known[k].Severity == "unknown" }
	maps.DeleteFunc(known, func(k about, _ state) bool {
		if !isUnknown(k) {
			return false
		}
		if maps.Equal(fresh, undecided) {
			return k != about{"host", "audit_complete"}
		}
		return k.Subject != "host" && (isUnknown(about{"host", k.Invariant}) || isUnknown(about{"host", "audit_complete"}))
	})
	return known
}

// since returns how long ago the last line was.
func (w *watching) since() time.Duration {
	w.lock.Lock()
	defer w.lock.Unlock()
	return time.Since(w.last)
}

// fault returns what no watch may say or do; "" if it did nothing wrong.
func (w *watching) fault() string {
	w.lock.Lock()
	defer w.lock.Unlock()
	for _, never := range []string{"defect:", "panic:", "goroutine "} {
		if strings.Contains(w.said.String(), never) {
			return "the watch said: " + never
		}
	}
	if w.ended {
		return "the watch ended"
	}
	return ""
}

func (w *watching) log() string {
	w.lock.Lock()
	defer w.lock.Unlock()
	return "last lines:\n" + strings.Join(w.lines, "\n") + "\nthe watch said:\n" + w.said.String()
}

// process returns the id of the watch, which is a child of the program that entered the
// namespaces; 0 if it ended.
func (w *watching) process() (pid int) {
	id := fmt.Sprint(w.cmd.Process.Pid)
	children, err := os.ReadFile(filepath.Join("/proc", id, "task", id, "children"))
	if err == nil {
		_, _ = fmt.Sscan(string(children), &pid)
	}
	return pid
}

// signal sends a signal to the watch.
func (w *watching) signal(s syscall.Signal) error {
	if pid := w.process(); pid > 0 {
		return syscall.Kill(pid, s)
	}
	return errors.New("the watch ended")
}

// memory returns the resident memory of the watch in KiB; 0 is not known.
func (w *watching) memory() (kib int) {
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(w.process()), "status"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	_, _ = fmt.Sscan(rest, &kib)
	return kib
}

func (w *watching) stop() error {
	_ = w.signal(syscall.SIGTERM)
	if err := w.cmd.Wait(); err != nil && w.fault() == "" {
		return fmt.Errorf("the watch: %w", err)
	}
	return nil
}
