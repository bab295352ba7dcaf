package proof

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
	"stackpolicy/units"
)

const (
	auditService  = "stackpolicy-audit.service"
	auditTimer    = "stackpolicy-audit.timer"
	alertsService = "stackpolicy-alerts.service"
	changeService = "stackpolicy-audit-change.service"
)

var pathUnits = []string{"stackpolicy-audit.path", "stackpolicy-audit-subfolders.path"}

// Drop-ins of the tests for the audit's service: instead replaces the program by a shell
// line, others remove the wait until writes are done, write down how each run ended, and
// put the simulated podman on the PATH.
const (
	noWait          = "[Service]\nExecStartPre=\n"
	noted           = "[Service]\nExecStopPost=/bin/sh -c 'echo $EXIT_STATUS >>%t/runs'\n"
	simulatedPodman = "[Service]\nEnvironment=PATH=%t/../bin:/usr/bin:/bin:/run/current-system/sw/bin\n"
)

func instead(line string) string {
	return fmt.Sprintf("[Service]\nExecStart=\nExecStart=/bin/sh -c '%s'\n", line)
}

// declaring returns the declaration of the shipped units, with a drop-in for each unit in
// over.
func declaring(t *testing.T, over map[string]string) map[string]string {
	t.Helper()
	declared := map[string]string{}
	for _, name := range append(pathUnits, changeService, alertsService) {
		declared[unit(name)] = shippedText(t, name)
	}
	for name, text := range over {
		declared[unit(name+".d/over.conf")] = text
	}
	return declared
}

// shipped opens a stage where the audit's units are declared, the program is where they
// expect it, and the path units run. podman.socket is removed, because it would start the
// real podman.
func shipped(t *testing.T, options usermanager.Options, over map[string]string) *stage {
	t.Helper()
	s := open(t, options, declaring(t, over))
	s.do(s.Link(filepath.Join(s.BinDir, "stackpolicy"), filepath.Join(s.Home, ".local/bin/stackpolicy")))
	if err := os.Remove(s.Path("/usr/lib/systemd/user/podman.socket")); !errors.Is(err, fs.ErrNotExist) {
		s.do(err)
	}
	s.reload()
	s.systemctl(append([]string{"start"}, pathUnits...)...)
	return s
}

func shippedText(t *testing.T, name string) string {
	t.Helper()
	text, err := units.FS.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// within waits until a condition is true, and reports whether it became true.
func (s *stage) within(limit time.Duration, condition func() bool) bool {
	s.t.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) || s.t.Context().Err() != nil {
			return false
		}
	}
	return true
}

func (s *stage) runtime(name string) string { return filepath.Join(s.RuntimeDir, name) }

// written returns the text of a file that a service wrote to the runtime folder.
func (s *stage) written(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(s.runtime(name))
	s.do(err)
	return string(text)
}

// runs returns the exit statuses of the audits so far.
func (s *stage) runs() []string {
	text, _ := os.ReadFile(s.runtime("runs"))
	return strings.Fields(string(text))
}

// idle reports whether no audit and no sending of alerts runs, and none is queued.
func (s *stage) idle() bool {
	return s.systemctl("list-jobs", "--no-legend") == "" &&
		!strings.Contains(s.property(auditService, "ActiveState"), "activating")
}

// moveIn makes a link and moves it to its place, so that there is only one event.
func (s *stage) moveIn(target, path string) {
	s.t.Helper()
	made := s.runtime("moved-in")
	s.do(s.Link(target, made))
	s.do(os.Rename(made, path))
}

// fires repeats a change until an audit runs, and returns how often it was needed. systemd
// loses an event while it renews its watches, which it does when anything appears in a
// folder above. The folder above a stage is a busy one.
func (s *stage) fires(what string, change func(try int)) int {
	s.t.Helper()
	for try := range 4 {
		s.until("idle before "+what, s.idle)
		before := len(s.runs())
		change(try)
		if s.within(5*time.Second, func() bool { return len(s.runs()) > before }) {
			return try + 1
		}
		s.t.Logf("%s: change %d went unnoticed", what, try+1)
	}
	s.t.Fatalf("%s: no audit\n%s", what, s.Log())
	return 0
}

// TestUnitsVerify checks that `systemd-analyze verify` has no complaint about the units, and
// that it would report a mistake.
func TestUnitsVerify(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := shipped(t, options, nil)
		argv := []string{"systemd-analyze", "--user", "verify"}
		names, err := fs.Glob(units.FS, "*")
		s.do(err)
		for _, name := range names {
			path := filepath.Join(s.Home, "verify", name)
			s.do(s.Write(path, shippedText(t, name)))
			argv = append(argv, path)
		}
		verify := func() scene.Result { return s.Do(s.Command(t.Context(), argv...)) }
		if r := verify(); r.Code != 0 || r.Out+r.Err != "" {
			t.Errorf("verify: status %d: %s%s", r.Code, r.Out, r.Err)
		}
		s.do(s.Write(argv[3], "[Unit]\nUnheardOf=1\n"+shippedText(t, names[0])))
		if r := verify(); !strings.Contains(r.Err, "UnheardOf") {
			t.Errorf("verify does not complain of an unknown key: %s", r.Err)
		}
	})
}

// TestUnitsPathsDoNotNest checks that no watched folder is below another watched folder.
// When something appears in a folder above a watched one, systemd renews all watches of the
// path unit and loses the events that it has not read. With nested folders it loses every
// fifth change in the upper one.
func TestUnitsPathsDoNotNest(t *testing.T) {
	for _, name := range pathUnits {
		var paths []string
		for line := range strings.Lines(shippedText(t, name)) {
			if path, ok := strings.CutPrefix(line, "PathChanged="); ok {
				paths = append(paths, strings.TrimSpace(path))
			}
		}
		for _, above := range paths {
			if i := slices.IndexFunc(paths, func(p string) bool { return strings.HasPrefix(p, above+"/") }); i >= 0 {
				t.Errorf("%s watches %s and, below it, %s", name, above, paths[i])
			}
		}
		if len(paths) < 3 {
			t.Errorf("%s watches %v only", name, paths)
		}
	}
}

// servePodman answers like a podman without containers.
func (s *stage) servePodman() {
	s.t.Helper()
	s.do(os.MkdirAll(s.runtime("podman"), 0o755))
	listener, err := new(net.ListenConfig).Listen(s.t.Context(), "unix", s.runtime("podman/podman.sock"))
	s.do(err)
	s.do(os.Chmod(s.runtime("podman/podman.sock"), 0o666))
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/info") {
			fmt.Fprint(w, scene.Info)
			return
		}
		fmt.Fprint(w, "[]")
	})}
	go func() { _ = server.Serve(listener) }()
	s.t.Cleanup(func() { _ = server.Close() })
}

// snapshot has the fields of a facts document that the tests read.
type snapshot struct {
	Collectors map[string]struct {
		OK    bool
		Error string
	}
	Manager, Podman struct{ Transport string }
	Units           []map[string]any
}

func (s *stage) parse(text []byte) (doc snapshot, web map[string]any) {
	s.t.Helper()
	s.do(json.Unmarshal(text, &doc))
	for _, u := range doc.Units {
		if u["name"] == "web.service" {
			return doc, u
		}
	}
	s.t.Fatalf("no web.service in %s", text)
	return doc, nil
}

const hardened = `{ unshare --user true && echo unshared; grep -E "NoNewPrivs:|Seccomp:" /proc/self/status | cut -f 2; } >%t/status; ` +
	`exec %h/.local/bin/stackpolicy facts >%t/facts.json`

// TestUnitsHardened checks that the service has no more permissions than it needs, and that
// it sees what an audit by hand sees, with and without a bus.
func TestUnitsHardened(t *testing.T) {
	for transport, noBus := range map[string]bool{"bus": false, "private": true} {
		t.Run(transport, func(t *testing.T) {
			systems.Each(t, func(t *testing.T, options usermanager.Options) {
				options.NoBus = noBus
				s := shipped(t, options, map[string]string{auditService: noWait + instead(hardened)})
				s.servePodman()
				var byHand map[string]any
				s.until("systemd is on its bus, where there is one", func() bool {
					var doc snapshot
					doc, byHand = s.parse([]byte(s.Stackpolicy(t.Context(), "facts").Out))
					return doc.Manager.Transport == transport
				})
				s.systemctl("start", auditService)
				s.checkHardened(transport, byHand)
			})
		})
	}
}

// checkHardened checks what the service wrote down. byHand are the facts about web.service
// without hardening.
func (s *stage) checkHardened(transport string, byHand map[string]any) {
	s.t.Helper()
	if got := strings.Fields(s.written("status")); !slices.Equal(got, []string{"1", "2"}) {
		s.t.Errorf("NoNewPrivs and Seccomp are %v, want 1 and 2, and no user namespace", got)
	}
	doc, web := s.parse([]byte(s.written("facts.json")))
	for name, c := range doc.Collectors {
		if !c.OK {
			s.t.Errorf("collector %s: %s", name, c.Error)
		}
	}
	if len(doc.Collectors) != 13 || doc.Podman.Transport != "socket" || doc.Manager.Transport != transport {
		s.t.Errorf("%d collectors, podman by %q, systemd by %q", len(doc.Collectors), doc.Podman.Transport, doc.Manager.Transport)
	}
	if d := cmp.Diff(byHand, web); d != "" {
		s.t.Errorf("web.service -by hand +by the service\n%s", d)
	}
}

// TestUnitsEnforce checks that the service can heal, and that neither the heal nor the audit
// starts another audit.
func TestUnitsEnforce(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		over := map[string]string{auditService: noted + simulatedPodman + instead("exec %h/.local/bin/stackpolicy eval --enforce")}
		s := shipped(t, options, over)
		for i, revision := range []string{"second", "third"} {
			settle()
			begun := time.Now()
			s.activate(revision, declaring(t, over))
			s.until(revision+" revision loaded", func() bool {
				return strings.Contains(s.property("web.service", "Description"), revision)
			})
			t.Logf("healed %v after the change", time.Since(begun).Round(10*time.Millisecond))
			s.until("the audit's end", s.idle)
			// An activation is several changes, so it may start two audits. A
			// third one would be started by the audits.
			if runs := s.runs(); len(runs) <= i || len(runs) > 2*(i+1) || runs[len(runs)-1] != "0" {
				t.Errorf("%s revision: audits ended with %v\n%s", revision, runs, s.Log())
			}
		}
		if _, err := os.Stat(s.runtime("stackpolicy/audit.lock")); err != nil {
			t.Error(err)
		}
	})
}

// TestUnitsObserve checks that an observing audit starts no other audit, and that it fails
// while there is a page. Its own failed state must not be a finding that keeps it failed.
func TestUnitsObserve(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := shipped(t, options, map[string]string{auditService: noted + simulatedPodman})
		web := s.Unit("web.service")
		target, err := os.Readlink(web)
		s.do(err)
		changes := s.fires("a link is deleted", func(try int) {
			if try > 0 {
				s.do(s.Link(target, web))
			}
			s.do(os.Remove(web))
		})
		s.until("idle", s.idle)
		if got := s.property(auditService, "Result"); got != "exit-code" || s.runs()[0] != "2" {
			t.Errorf("Result=%s after a page, audits ended with %v", got, s.runs())
		}
		begun := time.Now()
		changes += s.fires("the link is back", func(int) { s.moveIn(target, web) })
		t.Logf("audited %v after the change", time.Since(begun).Round(10*time.Millisecond))
		s.until("idle", s.idle)
		runs := s.runs()
		if len(runs) > changes || runs[len(runs)-1] != "0" || s.property(auditService, "Result") != "success" {
			t.Errorf("%d changes, audits ended with %v", changes, runs)
		}
	})
}

// TestUnitsExitStatus checks that the service fails only if there is a page or no verdict.
// However it ends, alerts are sent afterwards.
func TestUnitsExitStatus(t *testing.T) {
	cases := []struct{ line, state, result string }{
		{"exit 0", "inactive", "success"},
		{"exit 1", "inactive", "success"},
		{"exit 2", "failed", "exit-code"},
		{"exit 3", "failed", "exit-code"},
		{"exec /nonexistent", "failed", "exit-code"},
		{"kill -SEGV $$$$", "failed", "signal"},
		{"kill -TERM $$$$", "failed", "signal"},
	}
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := shipped(t, options, map[string]string{auditService: noWait, alertsService: instead("echo >>%t/sendings")})
		for i, c := range cases {
			s.do(s.Write(s.runtime("systemd/user/"+auditService+".d/case.conf"), instead(c.line)))
			s.reload()
			_, _ = s.Systemctl(t.Context(), "start", auditService) // it fails where the service does
			if state, result := s.property(auditService, "ActiveState"), s.property(auditService, "Result"); state != c.state || result != c.result {
				t.Errorf("%s: %s with result %s, want %s with %s", c.line, state, result, c.state, c.result)
			}
			s.until("idle after "+c.line, s.idle)
			if n := len(s.written("sendings")); n != i+1 {
				t.Errorf("%s: alerts were sent %d times, want %d", c.line, n, i+1)
			}
			if next := s.nextAudit(); next == 0 {
				t.Errorf("%s: the timer will not elapse again", c.line)
			}
		}
	})
}

// TestUnitsTimer checks the shipped timer: the next audit is ten to twelve minutes after the
// last one, whatever started that one, also if it failed.
func TestUnitsTimer(t *testing.T) {
	const first = "OnStartupSec=2min\n"
	text := shippedText(t, auditTimer)
	if !strings.Contains(text, first) || !strings.Contains(text, "\nRandomizedDelaySec=2min\n") {
		t.Fatalf("not the timer that this test is about:\n%s", text)
	}
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := shipped(t, options, map[string]string{
			auditService: noWait + noted + instead("exit 2"),
			auditTimer:   "[Timer]\nOnStartupSec=\n" + strings.SplitAfter(text, first)[1],
		})
		s.fires("a change", func(int) { s.moveIn("/dev/null", s.Unit("web.service")) })
		s.until("the audit's end", s.idle)
		ended, err := strconv.Atoi(s.property(auditService, "InactiveEnterTimestampMonotonic"))
		s.do(err)
		gap := s.nextAudit() - time.Duration(ended)*time.Microsecond
		if gap < 10*time.Minute || gap > 12*time.Minute+30*time.Second {
			t.Errorf("the next audit is due after %v", gap)
		}
		if out := s.systemctl("list-timers", "--no-legend", auditTimer); !strings.Contains(out, " left") && !strings.Contains(out, "min") {
			t.Errorf("list-timers: %q", out)
		}
		s.do(s.Write(s.runtime("systemd/user/"+auditTimer+".d/short.conf"),
			"[Timer]\nOnUnitInactiveSec=\nOnStartupSec=1ms\nOnUnitInactiveSec=200ms\nRandomizedDelaySec=0\nAccuracySec=1ms\n"))
		s.reload()
		s.systemctl("restart", auditTimer)
		before := len(s.runs())
		s.until("three audits by the timer", func() bool { return len(s.runs()) >= before+3 })
	})
}
