package proof

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// watching is a watch that runs.
type watching struct {
	*stage
	lines <-chan watchLine
	pid   int
	errs  *spoken
}

// spoken is what a program writes while a test reads it.
type spoken struct {
	lock sync.Mutex
	text strings.Builder
}

func (s *spoken) Write(p []byte) (int, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.text.Write(p)
}

func (s *spoken) String() string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.text.String()
}

// watchLine is a line of `stackpolicy watch --follow -o json`.
type watchLine struct {
	Ready                       bool
	ExitCode                    *int `json:"exit_code"`
	Invariant, Subject          string
	Effect, Severity, Was, Time string
	Waived                      bool
}

// watch starts a watch and waits until it is ready.
func (s *stage) watch(status int, args ...string) *watching {
	s.t.Helper()
	return s.watchBy(status, append([]string{"stackpolicy", "watch", "--follow", "-o", "json"}, args...)...)
}

// watchBy is watch with a whole command line.
func (s *stage) watchBy(status int, argv ...string) *watching {
	s.t.Helper()
	cmd := s.Command(s.t.Context(), argv...)
	w := &watching{stage: s, errs: &spoken{}}
	out, err := cmd.StdoutPipe()
	s.do(err)
	cmd.Stderr = w.errs
	s.do(cmd.Start())
	w.pid = cmd.Process.Pid
	lines := make(chan watchLine, 1000)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			var l watchLine
			if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
				l.Invariant = "no JSON: " + scanner.Text()
			}
			lines <- l
		}
	}()
	s.t.Cleanup(func() {
		w.signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if s.t.Failed() {
			s.t.Logf("the watch said:\n%s", w.errs)
		}
	})
	w.lines = lines
	if first := w.line(); !first.Ready || first.ExitCode == nil || *first.ExitCode != status {
		s.t.Fatalf("first line: %+v; want ready with status %d", first, status)
	}
	return w
}

// process returns the id of the watch, which is a child of what entered the namespaces; 0 if it
// ended.
func (w *watching) process() (pid int) {
	id := strconv.Itoa(w.pid)
	children, err := os.ReadFile(filepath.Join("/proc", id, "task", id, "children"))
	if err == nil {
		_, _ = fmt.Sscan(string(children), &pid)
	}
	return pid
}

// signal sends a signal to the watch, if it still runs.
func (w *watching) signal(s syscall.Signal) {
	if pid := w.process(); pid > 0 {
		_ = syscall.Kill(pid, s)
	}
}

// line returns the next line.
func (w *watching) line() watchLine {
	w.t.Helper()
	select {
	case l, open := <-w.lines:
		if !open {
			w.t.Fatal("the watch ended")
		}
		return l
	case <-time.After(20 * time.Second):
		w.t.Fatal("no line within 20 s")
	}
	return watchLine{}
}

// until reads lines until a finding has an effect, and returns how long that took.
func (w *watching) until(subject, invariant, effect string) time.Duration {
	w.t.Helper()
	began := time.Now()
	var seen []string
	for time.Since(began) < 20*time.Second {
		l := w.line()
		seen = append(seen, fmt.Sprintf("%s %s %s->%s", l.Subject, l.Invariant, l.Was, l.Effect))
		if l.Subject == subject && l.Invariant == invariant && l.Effect == effect {
			return time.Since(began)
		}
	}
	w.t.Fatalf("want %s %s %s; got %v", subject, invariant, effect, seen)
	return 0
}

// verdict is what an audit finds now.
func (s *stage) verdict() map[string]string {
	found := map[string]string{}
	for _, d := range s.eval().Decisions {
		if d.Effect != "allow" {
			found[d.Subject+" "+d.Invariant] = d.Effect
		}
	}
	return found
}

// TestWatch changes one thing after the other beside a watch: each is seen within two seconds,
// and after it is undone the verdict is as before.
func TestWatch(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		w := s.watch(0)
		ctl := func(args ...string) error {
			_, err := s.Systemctl(t.Context(), args...)
			return err
		}
		down := slices.Clone(scene.Containers())
		down[0].State, down[0].ExitCode = "exited", 137
		dropIn, link := s.Unit("web.service.d/evil.conf"), s.Unit("default.target.wants/web.service")
		target, err := os.Readlink(link)
		s.do(err)
		for _, c := range []struct {
			what, subject, invariant, effect string
			do, undo                         func() error
		}{
			{"a stopped unit", "web.service", "wanted_is_running", "block", func() error { return ctl("stop", "web.service") }, func() error { return ctl("start", "web.service") }},
			{"a drop-in", "web.service", "dropins_owned", "block", func() error { return s.Write(dropIn, "[Service]\nNice=5\n") }, func() error { return os.Remove(dropIn) }},
			{"a container that died", "web.service", "stack_running", "block", func() error { return s.Podman(down...) }, func() error { return s.Podman(scene.Containers()...) }},
			{"a link that went", "web.service", "links_resolve", "block", func() error { return os.Remove(link) }, func() error { return s.Link(target, link) }},
			{"lingering that ended", "host", "linger_enabled", "block", func() error { return os.Remove(s.lingerFlag()) }, func() error { return os.WriteFile(s.lingerFlag(), nil, 0o644) }},
			{"a drop-in of /etc in a folder that was not there", "files.service", "dropins_owned", "block", func() error { return s.Etc("files.service.d/x.conf", "[Service]\nNice=5\n") }, func() error { return os.RemoveAll(s.Path("/etc/systemd/user/files.service.d")) }},
		} {
			s.do(c.do())
			took := w.until(c.subject, c.invariant, c.effect)
			t.Logf("%s: %d ms", c.what, took.Milliseconds())
			s.do(c.undo())
			w.until(c.subject, c.invariant, "allow")
		}
		if found := s.verdict(); len(found) > 0 {
			t.Errorf("an audit finds %v", found)
		}
	})
}

func (s *stage) lingerFlag() string {
	return filepath.Join(s.Path("/var/lib/systemd/linger"), s.Username)
}

// TestTwoWatches checks that of two watches one acts and the other shows the same.
func TestTwoWatches(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		acting := s.watch(0, "--enforce")
		showing := s.watch(0, "--enforce")
		if said := showing.errs.String(); !strings.Contains(said, "another watch acts (process") {
			t.Errorf("the second watch said %q", said)
		}
		if r := s.Do(s.Command(t.Context(), "stackpolicy", "watch")); r.Code != 3 || !strings.Contains(r.Err, "another watch runs") {
			t.Errorf("without --follow: status %d, %s", r.Code, r.Err)
		}
		time.Sleep(scene.ClockTick)
		s.do(s.Activate(map[string]string{scene.UnitDir + "/web.service": scene.StackUnit("web.service", "second")}))
		for _, w := range []*watching{acting, showing} {
			w.until("web.service", "loaded_is_current", "heal")
			w.until("web.service", "loaded_is_current", "allow")
		}
		if found := s.verdict(); len(found) > 0 {
			t.Errorf("an audit finds %v", found)
		}
		if r := s.Stackpolicy(t.Context(), "history"); strings.Count(r.Out, "daemon-reload") != 1 {
			t.Errorf("not one reload:\n%s", r.Out)
		}
	})
}

// TestWatchLosesItsSources ends what a watch follows: it says so, notices changes all the same,
// and follows again. The manager is executed again, podman's events end, the bus is gone.
func TestWatchLosesItsSources(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		w := s.watch(0)
		dropIn := s.Unit("web.service.d/evil.conf")
		change := func(what string) {
			t.Helper()
			s.do(s.Write(dropIn, "[Service]\nNice=5\n"))
			took := w.until("web.service", "dropins_owned", "block")
			s.do(os.Remove(dropIn))
			w.until("web.service", "dropins_owned", "allow")
			t.Logf("%s: %d ms", what, took.Milliseconds())
		}
		s.systemctl("daemon-reexec")
		change("after daemon-reexec")
		s.do(s.Command(t.Context(), "pkill", "-f", "podman-events").Run())
		change("after podman's events ended")
		w.says("cannot follow podman")
		w.says("follows podman again")
		s.do(s.Command(t.Context(), "pkill", "dbus-daemon").Run())
		change("without a bus")
		s.systemctl("stop", "web.service")
		w.until("web.service", "wanted_is_running", "block")
		s.systemctl("start", "web.service")
		w.until("web.service", "wanted_is_running", "allow")
	})
}

// says waits until the log of the watch has a text.
func (w *watching) says(text string) {
	w.t.Helper()
	for range 300 {
		if strings.Contains(w.errs.String(), text) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Errorf("the watch did not say %q", text)
}

// TestWatchIsNotReadAnyMore checks that a watch ends when nobody reads what it shows.
func TestWatchIsNotReadAnyMore(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		r := make(chan scene.Result, 1)
		go func() {
			r <- s.Do(s.Command(t.Context(), "sh", "-c", "{ stackpolicy watch --follow; echo ended $? >&2; } | head -n 1"))
		}()
		time.Sleep(5 * time.Second) // it is ready, and head has ended
		s.do(s.Write(s.Unit("web.service.d/evil.conf"), "[Service]\nNice=5\n"))
		select {
		case r := <-r:
			if !strings.Contains(r.Err, "ended 0") || !strings.Contains(r.Out, "watching") {
				t.Errorf("%q, %q", r.Out, r.Err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the watch goes on although nobody reads it")
		}
	})
}
