package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

const webUnit = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c :\n[Install]\nWantedBy=default.target\n"

// plain starts the manager of an account with one unit that is a plain file and one that
// is a link into its dotfiles, as stow makes them. The program is in ~/.local/bin, and
// podman has no containers. The real podman's socket is removed.
func plain(t *testing.T, options usermanager.Options) *scene.Scene {
	t.Helper()
	m := systems.Start(t, options)
	s := &scene.Scene{Manager: m}
	program, err := exec.LookPath("stackpolicy") // testscript.Main put it there
	if err == nil {
		program, err = m.Install(program)
	}
	kept := filepath.Join(s.Home, "dotfiles/web.service")
	if err := errors.Join(err, s.Podman(), s.Write(s.Unit("plain.service"), webUnit),
		s.Write(kept, webUnit), s.Link(kept, s.Unit("web.service")),
		s.Link(program, filepath.Join(s.Home, ".local/bin/stackpolicy"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.Path("/usr/lib/systemd/user/podman.socket")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return s
}

// nextSteps returns the commands under "Next:".
func nextSteps(t *testing.T, out string) (steps []string) {
	t.Helper()
	_, next, found := strings.Cut(out, "\nNext:\n")
	if !found {
		t.Fatalf("no next steps in:\n%s", out)
	}
	for line := range strings.Lines(next) {
		if line = strings.TrimSpace(line); line != "" {
			steps = append(steps, line)
		}
	}
	return steps
}

// TestInitForARealManager runs exactly the commands that init prints. The audit that it
// sets up finds nothing, when run by hand and as a service.
func TestInitForARealManager(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := plain(t, options)
		run := func(argv ...string) scene.Result { return s.Do(s.Command(t.Context(), argv...)) }
		if r := run("stackpolicy", "init", "--write"); r.Code != 3 || !strings.Contains(r.Err, "is a temporary file") {
			t.Errorf("a program in a scratch folder: status %d: %s%s", r.Code, r.Out, r.Err)
		}
		r := run("stackpolicy", "init", "--write", "--program", filepath.Join(s.Home, ".local/bin/stackpolicy"))
		if r.Code != 0 {
			t.Fatalf("init: status %d: %s%s", r.Code, r.Out, r.Err)
		}
		steps := nextSteps(t, r.Out)
		for _, step := range steps {
			if strings.HasPrefix(step, "loginctl ") {
				continue // there is no login manager, and no real podman
			}
			if r := run("sh", "-c", strings.Replace(step, " podman.socket", "", 1)); r.Code != 0 {
				t.Errorf("%s: status %d: %s%s", step, r.Code, r.Out, r.Err)
			}
		}
		if len(steps) != 3 || steps[2] != "stackpolicy eval" {
			t.Errorf("steps are %q", steps)
		}
		if r := run("systemctl", "--user", "start", "web.service", "plain.service", "stackpolicy-report.service"); r.Code != 0 {
			t.Errorf("start: %s\n%s", r.Err, s.Log())
		}
		// The service asks for containers only through podman's socket, which does not
		// exist here. If podman is installed, its verdict is unknown and the unit fails.
		run("systemctl", "--user", "start", "stackpolicy-audit.service")
		status := run("systemctl", "--user", "show", "-P", "ExecMainStatus", "stackpolicy-audit.service").Out
		if status = strings.TrimSpace(status); status != "0" && status != "3" {
			t.Errorf("the audit's exit status is %s\n%s", status, s.Log())
		}
		checkAudited(t, run("stackpolicy", "eval", "-o", "json"))
		if info, err := os.Stat(filepath.Join(s.Home, ".local/state/stackpolicy/report.html")); err != nil || info.Size() == 0 {
			t.Errorf("the daily report: %v", err)
		}
	})
}

// TestInitWatchForARealManager runs exactly the commands that init prints, from the timer to
// the watch and back. After each change an audit by hand finds nothing.
func TestInitWatchForARealManager(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := plain(t, options)
		run := func(command string) scene.Result { return s.Do(s.Command(t.Context(), "sh", "-c", command)) }
		active := func() string {
			return run("systemctl --user is-active stackpolicy-audit.timer stackpolicy-audit.path stackpolicy-watch.service").Out
		}
		for _, c := range []struct{ flags, want string }{
			{"", "active\nactive\ninactive\n"}, {"--watch", "inactive\ninactive\nactive\n"}, {"", "active\nactive\ninactive\n"},
		} {
			r := run("stackpolicy init --write --program " + filepath.Join(s.Home, ".local/bin/stackpolicy") + " " + c.flags)
			if r.Code != 0 {
				t.Fatalf("init %s: status %d: %s%s", c.flags, r.Code, r.Out, r.Err)
			}
			for _, step := range nextSteps(t, r.Out) {
				if strings.HasPrefix(step, "loginctl ") {
					continue // there is no login manager, and no real podman
				}
				if r := run(strings.Replace(step, " podman.socket", "", 1)); r.Code != 0 {
					t.Errorf("init %s: %s: status %d: %s%s\n%s", c.flags, step, r.Code, r.Out, r.Err, s.Log())
				}
				run("systemctl --user start web.service plain.service")
			}
			if got := active(); got != c.want {
				t.Errorf("init %s: the timer, a path unit and the watch are %q, want %q", c.flags, got, c.want)
			}
		}
		run("systemctl --user disable --now $(cd " + filepath.Dir(s.Unit("x")) + " && ls | grep ^stackpolicy-)")
		if r := run("stackpolicy init --remove"); r.Code != 0 || run("ls "+s.Unit("stackpolicy-watch.service")).Code == 0 {
			t.Errorf("init --remove: status %d: %s%s", r.Code, r.Out, r.Err)
		}
	})
}

// checkAudited checks that the report knows the user's units and the audit's units, and
// has no findings.
func checkAudited(t *testing.T, r scene.Result) {
	t.Helper()
	var report struct {
		Decisions []struct{ Invariant, Subject, Effect, Message string }
	}
	if err := json.Unmarshal([]byte(r.Out), &report); err != nil || r.Code != 0 {
		t.Errorf("eval: status %d, %v: %s", r.Code, err, r.Err)
	}
	var subjects []string
	for _, d := range report.Decisions {
		subjects = append(subjects, d.Subject)
		if d.Effect != "allow" {
			t.Errorf("%s %s: %s", d.Subject, d.Invariant, d.Message)
		}
	}
	for _, want := range []string{"host", "web.service", "plain.service", "stackpolicy-audit.service", "stackpolicy-audit.timer", "stackpolicy-report.timer"} {
		if !slices.Contains(subjects, want) {
			t.Errorf("%s was not judged", want)
		}
	}
}
