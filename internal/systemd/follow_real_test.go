package systemd_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackpolicy/internal/systemd"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// follow prints each event until its standard input ends.
func follow(ctx context.Context, address string) error {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	err := systemd.FollowUser(ctx, os.Getenv("XDG_RUNTIME_DIR"), address,
		func() { fmt.Println("ready 0") },
		func(e systemd.Event) {
			name := e.Unit
			switch {
			case e.Reload:
				name = "RELOAD"
			case name == "":
				name = "MANAGER"
			}
			fmt.Println(name, time.Now().UnixNano())
		})
	fmt.Println("end 0", err)
	return nil
}

// followed is a running follow.
type followed struct {
	*stage
	lines chan string // closed at its end
	end   string      // why it ended
	stop  func()
}

func (s *stage) follow(transport string) *followed {
	s.t.Helper()
	cmd := s.Command(s.t.Context(), s.program)
	cmd.Env = append(cmd.Env, actVariable+"="+transport+" follow")
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	f := &followed{stage: s, lines: make(chan string, 1<<16), stop: func() { in.Close() }}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(f.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if why, isEnd := strings.CutPrefix(lines.Text(), "end 0 "); isEnd {
				f.end = why
				return
			}
			f.lines <- lines.Text()
		}
	}()
	s.t.Cleanup(func() { in.Close(); <-done; _ = cmd.Wait() })
	f.wait("ready")
	return f
}

// wait waits for an event, and returns when it came.
func (f *followed) wait(name string) time.Time {
	f.t.Helper()
	var seen []string
	for end := time.After(10 * time.Second); ; {
		select {
		case line, more := <-f.lines:
			got, at, _ := strings.Cut(line, " ")
			if got == name {
				var nanoseconds int64
				_, _ = fmt.Sscan(at, &nanoseconds)
				return time.Unix(0, nanoseconds)
			}
			if seen = append(seen, got); !more {
				f.t.Fatalf("ended (%s) before %s; saw %q", f.end, name, seen)
			}
		case <-end:
			f.t.Fatalf("no event %s; saw %q", name, seen)
		}
	}
}

// until returns the names of all events up to a change that is made for that.
func (f *followed) until() []string {
	f.t.Helper()
	f.systemctl("start", "mark.service")
	var names []string
	for end := time.After(10 * time.Second); ; {
		select {
		case line, more := <-f.lines:
			name, _, _ := strings.Cut(line, " ")
			if !more || name == "mark.service" {
				f.settle()
				return names
			}
			names = append(names, name)
		case <-end:
			f.t.Fatal("the mark did not come")
		}
	}
}

// settle waits for the end of what a change brings about.
func (f *followed) settle() {
	for {
		select {
		case <-f.lines:
		case <-time.After(300 * time.Millisecond):
			return
		}
	}
}

var followedUnits = map[string]string{
	"sleep.service": "[Service]\nExecStart=/bin/sleep 1000\n",
	"crash.service": "[Service]\nExecStart=/bin/sleep 0.1\nRestart=always\nRestartSec=0.2\nStartLimitIntervalSec=0\n",
	"idle.service":  "[Unit]\nAfter=sleep.service\n[Service]\nType=oneshot\nExecStart=/bin/true\n",
	"mark.service":  "[Service]\nType=oneshot\nExecStart=/bin/true\n",
	"many@.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
}

// TestFollow: what happens to units of a real manager is seen, on both ways.
func TestFollow(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		for _, transport := range []string{systemd.Bus, systemd.Private} {
			t.Run(transport, func(t *testing.T) {
				s := open(t, options)
				for name, text := range followedUnits {
					s.write(".config/systemd/user/"+name, text)
				}
				s.systemctl("daemon-reload")
				s.systemctl("start", "sleep.service")
				f := s.follow(transport)
				testStates(f)
				testReading(f)
				testFiles(f)
				testManager(f, transport)
			})
		}
	})
}

func testStates(f *followed) {
	f.settle()
	f.logDelays()
	f.systemctl("start", "sleep.service")
	f.wait("sleep.service")
	f.settle()
	f.systemctl("kill", "--signal=KILL", "sleep.service")
	f.wait("sleep.service")
	f.want("sleep.service", "Result", "signal")
	f.settle()
	f.systemctl("reset-failed", "sleep.service")
	f.wait("sleep.service")
	f.settle()
	f.systemctl("start", "sleep.service", "crash.service")
	f.settleStart("crash.service")
	for range 3 { // each start and each end, without anybody's call
		f.wait("crash.service")
	}
	f.systemctl("stop", "crash.service")
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("many@%d.service", i))
	}
	f.settle()
	f.systemctl(append([]string{"start"}, names...)...)
	seen := f.until()
	for _, name := range names {
		if !slices.Contains(seen, name) {
			f.t.Errorf("the start of %s was not seen", name)
		}
	}
}

// logDelays measures from a call that stops a unit to the event.
func (f *followed) logDelays() {
	f.t.Helper()
	manager, err := f.Dial(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	defer manager.Close()
	var delays []time.Duration
	for range 5 {
		begun := time.Now()
		err := manager.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1").
			CallWithContext(f.t.Context(), "org.freedesktop.systemd1.Manager.StopUnit", 0, "sleep.service", "replace").Err
		if err != nil {
			f.t.Fatal(err)
		}
		delays = append(delays, f.wait("sleep.service").Sub(begun))
		f.systemctl("start", "sleep.service")
		f.settle()
	}
	slices.Sort(delays)
	f.t.Logf("from a stop to its event: %v in the middle, %v at most", delays[2], delays[4])
	f.systemctl("stop", "sleep.service")
	f.wait("sleep.service")
	f.settle()
}

func (f *followed) settleStart(unit string) {
	f.wait(unit)
	for f.systemctl("show", "--value", "--property=NRestarts", unit) == "0" {
		time.Sleep(20 * time.Millisecond)
	}
}

// testReading: to read a unit that is not in memory is no change, at the latest the second
// time. Else whoever reads after each event would never come to an end.
func testReading(f *followed) {
	f.systemctl("show", "idle.service", "absent.service")
	f.settle()
	for range 3 {
		f.systemctl("show", "idle.service", "absent.service")
		if seen := f.until(); len(seen) > 0 {
			f.t.Errorf("reading gave %q", seen)
		}
	}
}

// testFiles: a change on disk is not seen, but what systemctl does afterwards is.
func testFiles(f *followed) {
	f.write(".config/systemd/user/sleep.service", followedUnits["sleep.service"]+"# changed\n")
	control := filepath.Join(f.Home, ".config/systemd/user.control")
	if err := os.MkdirAll(control, 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Symlink("/dev/null", filepath.Join(control, "idle.service")); err != nil {
		f.t.Fatal(err)
	}
	if seen := f.until(); len(seen) > 0 {
		f.t.Errorf("a change on disk gave %q", seen)
	}
	f.systemctl("set-property", "sleep.service", "MemoryMax=1G")
	f.t.Logf("set-property gave %q", f.until())
	f.systemctl("mask", "many@.service", "--runtime")
	f.wait("MANAGER")
	f.wait("RELOAD")
	f.settle()
	f.systemctl("daemon-reload")
	f.wait("RELOAD")
	f.settle()
}

// testManager: to be executed again ends the private connection only, and the end of the
// manager or of the bus ends all.
func testManager(f *followed, transport string) {
	f.systemctl("daemon-reexec")
	f.wait("RELOAD") // before it, and on the bus once more after it
	if transport == systemd.Private {
		for range f.lines {
		}
		f.t.Logf("daemon-reexec: %s", f.end)
		f = f.stage.follow(transport)
	}
	f.settle()
	f.systemctl("stop", "sleep.service")
	f.wait("sleep.service")
	begun := time.Now()
	if transport == systemd.Bus {
		f.systemctl("kill", "--signal=KILL", "dbus.service")
	} else if err := syscall.Kill(f.PID, syscall.SIGKILL); err != nil {
		f.t.Fatal(err)
	}
	for range f.lines {
	}
	if f.end == "" || strings.Contains(f.end, "context") || time.Since(begun) > 5*time.Second {
		f.t.Errorf("ended after %v: %q", time.Since(begun), f.end)
	}
}

// TestFollowHungManager: a manager that hangs does not keep it from ending.
func TestFollowHungManager(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		for _, transport := range []string{systemd.Bus, systemd.Private} {
			s := open(t, options)
			f := s.follow(transport)
			if err := syscall.Kill(s.PID, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			f.stop()
			for range f.lines {
			}
			if !strings.Contains(f.end, "context canceled") {
				t.Errorf("%s: ended with %q", transport, f.end)
			}
			if err := syscall.Kill(s.PID, syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
		}
	})
}
