package proof

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// agrees reads lines into a verdict until it is that of an audit, and returns how long that
// took. It began with nothing, and is kept in believed.
func (w *watching) agrees(believed map[string]string) time.Duration {
	w.t.Helper()
	began := time.Now()
	want := w.verdict()
	for !maps.Equal(want, believed) {
		select {
		case l, open := <-w.lines:
			if !open {
				w.t.Fatal("the watch ended")
			}
			if believed[l.Subject+" "+l.Invariant] = l.Effect; l.Effect == "allow" {
				delete(believed, l.Subject+" "+l.Invariant)
			}
		case <-time.After(500 * time.Millisecond):
			want = w.verdict()
		}
		if time.Since(began) > 15*time.Second {
			w.t.Fatalf("an audit finds %v, the watch believes %v", want, believed)
		}
	}
	return time.Since(began)
}

// tenChanges changes ten things, which an audit finds or not.
func (s *stage) tenChanges() {
	s.t.Helper()
	down := scene.Containers()
	down[2].State = "exited"
	s.do(s.Podman(down...))
	s.do(s.Write(s.Unit("web.service.d/a.conf"), "[Service]\nNice=5\n"))
	s.do(os.RemoveAll(s.Unit("web.service.d")))
	s.do(s.Write(s.Unit("web.service.d/b.conf"), "[Service]\nNice=5\n"))
	s.systemctl("stop", "feeds.service")
	s.do(os.Remove(s.Unit("default.target.wants/files.service")))
	s.do(s.Write(s.Unit("new.service"), scene.StackUnit("new.service", "first")))
	s.systemctl("daemon-reload")
	s.systemctl("start", "new.service")
	s.do(os.Remove(s.lingerFlag()))
}

// TestWatchIsStopped stops the watch for a while, in which much changes, and kills it. Whatever
// it missed is found, and a finding that was recorded is not recorded again.
func TestWatchIsStopped(t *testing.T) {
	if !debian.Each() {
		t.Skip("skipped: takes a minute of a busy machine; set STACKPOLICY_LAB_EACH=1")
	}
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := remembering(t, options, nil)
		w := s.watch(0)
		believed := map[string]string{}
		w.signal(syscall.SIGSTOP)
		s.tenChanges()
		time.Sleep(3 * time.Second)
		w.signal(syscall.SIGCONT)
		t.Logf("right %d ms after it went on: %v", w.agrees(believed).Milliseconds(), believed)
		if len(believed) < 5 {
			t.Errorf("only %v", believed)
		}
		const open = "SELECT id, since FROM standings WHERE resolved IS NULL ORDER BY id"
		before := s.sql(open)
		w.signal(syscall.SIGKILL)
		again := s.watch(2)
		again.quiet("host", "linger_enabled") // until it recorded its first verdict
		if after := s.sql(open); len(before) < 5 || !slices.Equal(before, after) {
			t.Errorf("open before it was killed: %v, after that: %v", before, after)
		}
		s.systemctl("start", "feeds.service")
		again.until("feeds.service", "wanted_is_running", "allow")
		w = again
		w.signal(syscall.SIGHUP)
		s.systemctl("stop", "web.service")
		w.until("web.service", "wanted_is_running", "block")
	})
}

// TestWatchOnAFullDisk fills the disk of the memory: that is a finding, and verdicts go on.
func TestWatchOnAFullDisk(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := remembering(t, options, nil)
		s.enforce() // the folder is there
		free := s.fill()
		w := s.watchBy(3, "stackpolicy", "watch", "--follow", "-o", "json", "--policy", s.rules())
		s.systemctl("stop", "web.service")
		w.until("web.service", "wanted_is_running", "block")
		s.systemctl("start", "web.service")
		w.until("web.service", "wanted_is_running", "allow")
		free()
		s.systemctl("stop", "web.service")
		w.until("host", "drift_not_repeating", "allow")
	})
}

// TestWatchWithoutInotify lowers the limits of inotify: it is said, and changes are found all
// the same.
func TestWatchWithoutInotify(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		for limit, n := range map[string]int{"max_inotify_instances": 0, "max_inotify_watches": 7} {
			t.Run(limit, func(t *testing.T) {
				s := open(t, options, nil)
				// Of a user namespace with the account in it, in one where it may lower the limit.
				script := fmt.Sprintf(`echo %d >/proc/sys/user/%s && exec unshare --user --map-user=%d --map-group=%d "$@"`, n, limit, s.UID, s.GID)
				lowered := []string{"unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"}
				if r := s.Do(s.Command(t.Context(), append(lowered, "true")...)); r.Code != 0 {
					t.Skip("skipped: the limit cannot be lowered here: ", r.Err)
				}
				w := s.watchBy(0, append(lowered, "stackpolicy", "watch", "--follow", "-o", "json")...)
				w.says("cannot follow changes of files")
				s.do(s.Write(s.Unit("web.service.d/evil.conf"), "[Service]\nNice=5\n"))
				t.Logf("found after %d ms", w.until("web.service", "dropins_owned", "block").Milliseconds())
				s.systemctl("stop", "web.service")
				w.until("web.service", "wanted_is_running", "block")
				s.do(s.Write(filepath.Join(s.Home, ".config/stackpolicy/config.yaml"), "stacks: [broken\n"))
				w.until("host", "audit_complete", "block")
			})
		}
	})
}

// stormy is how many changes TestWatchStorm makes each second, for five of them.
const stormy = 1000

// maxWatch bounds the resident memory of a watch in a storm, in KiB.
const maxWatch = 160 << 10

// TestWatchStorm makes thousands of changes, and restarts all units: soon after the end the
// verdict is right, and the watch stays small.
func TestWatchStorm(t *testing.T) {
	if !debian.Each() {
		t.Skip("skipped: takes a minute of a busy machine; set STACKPOLICY_LAB_EACH=1")
	}
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		w := s.watch(0)
		before, most := resident(w.process()), 0
		restarted := make(chan error, 1)
		go func() {
			_, err := s.Systemctl(t.Context(), append([]string{"restart"}, scene.Stacks()...)...)
			restarted <- err
		}()
		n := 0
		for begun := time.Now(); time.Since(begun) < 5*time.Second; {
			for ; time.Since(begun) < 5*time.Second && n < int(time.Since(begun).Seconds()*stormy); n++ {
				path := s.Unit(fmt.Sprintf("storm%d.service.d/a.conf", n%400))
				if n/400%2 == 0 {
					s.do(s.Write(path, "[Service]\nNice=5\n"))
				} else {
					s.do(os.RemoveAll(filepath.Dir(path)))
				}
			}
			most = max(most, resident(w.process()))
			time.Sleep(5 * time.Millisecond)
		}
		s.do(<-restarted)
		s.do(s.Write(s.Unit("web.service.d/evil.conf"), "[Service]\nNice=5\n"))
		took := w.until("web.service", "dropins_owned", "block")
		w.agrees(map[string]string{"web.service dropins_owned": "block", "web.service loaded_is_current": s.verdict()["web.service loaded_is_current"]})
		most = max(most, resident(w.process()))
		t.Logf("%d changes; right %d ms after the last; %d KiB before, %d at most", n, took.Milliseconds(), before, most)
		if before == 0 || most > maxWatch {
			t.Errorf("%d KiB are resident, before it were %d; want at most %d", most, before, maxWatch)
		}
	})
}

// resident returns the resident memory of a process in KiB; 0 if it ended.
func resident(pid int) (kib int) {
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "status"))
	if err == nil {
		_, rest, _ := strings.Cut(string(text), "VmRSS:")
		_, _ = fmt.Sscan(rest, &kib)
	}
	return kib
}
