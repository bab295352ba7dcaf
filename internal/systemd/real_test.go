package systemd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackpolicy/internal/systemd"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// actVariable makes the test binary act on a manager instead of testing, from
// inside of its namespaces and as its account: "TRANSPORT ACTION UNIT".
const actVariable = "SYSTEMD_TEST_ACT"

func TestMain(m *testing.M) {
	if v := os.Getenv(actVariable); v != "" {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := act(ctx, strings.Fields(v)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func act(ctx context.Context, words []string) error {
	address := ""
	if words[0] == systemd.Private {
		address = "unix:path=/nowhere"
	}
	if words[1] == "follow" {
		return follow(ctx, address)
	}
	c, err := systemd.DialUser(ctx, os.Getenv("XDG_RUNTIME_DIR"), address)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.Transport() != words[0] {
		return fmt.Errorf("reached over %s", c.Transport())
	}
	switch words[1] {
	case "restart":
		return c.Restart(ctx, words[2])
	case "reset-failed":
		return c.ResetFailed(ctx, words[2])
	case "daemon-reload":
		return c.Reload(ctx)
	case "read-both-ways":
		return readBothWays(ctx, c)
	}
	return errors.New("no such action")
}

// units of the test. A flag file in the home makes broken.service fail.
var units = map[string]string{
	"up.service":      "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'sleep 0.3; echo >> %h/up'\n",
	"stopped.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
	"broken.service":  "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/test ! -e %h/break\n",
	"failed.service":  "[Service]\nType=oneshot\nExecStart=/bin/false\n",

	"mute.service":              "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
	"mute.service.d/1\xff.conf": "[Unit]\nDescription=It is read\n",
}

// TestActions: each action has come to its end when it returns.
func TestActions(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		for _, transport := range []string{systemd.Bus, systemd.Private} {
			t.Run(transport, func(t *testing.T) {
				t.Parallel()
				testActions(t, open(t, options), transport)
			})
		}
	})
}

// stage is a manager with the units, as commands of its account see it.
type stage struct {
	*usermanager.Manager
	t       *testing.T
	program string
}

func open(t *testing.T, options usermanager.Options) *stage {
	t.Helper()
	m, err := usermanager.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	})
	program, err := m.Install(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{m, t, program}
	for name, text := range units {
		s.write(".config/systemd/user/"+name, text)
	}
	s.systemctl("daemon-reload")
	s.systemctl("start", "dbus.service", "up.service", "broken.service", "mute.service")
	_ = m.Command(t.Context(), "systemctl", "--user", "start", "failed.service").Run()
	return s
}

func (s *stage) write(path, text string) {
	s.t.Helper()
	path = filepath.Join(s.Home, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) run(cmd *exec.Cmd) (string, error) {
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (s *stage) systemctl(args ...string) string {
	s.t.Helper()
	out, err := s.run(s.Command(s.t.Context(), append([]string{"systemctl", "--user"}, args...)...))
	if err != nil {
		s.t.Fatalf("systemctl %v: %v: %s", args, err, out)
	}
	return out
}

// act acts, and wants what went wrong to be told in these words; "" is success.
func (s *stage) act(words, trouble string) {
	s.t.Helper()
	cmd := s.Command(s.t.Context(), s.program)
	cmd.Env = append(cmd.Env, actVariable+"="+words)
	out, err := s.run(cmd)
	if (err != nil) != (trouble != "") || !strings.Contains(out, trouble) {
		s.t.Errorf("%s: %v: %q, want %q", words, err, out, trouble)
	}
}

func (s *stage) want(unit, property, want string) {
	s.t.Helper()
	if got := s.systemctl("show", "--value", "--property="+property, unit); got != want {
		s.t.Errorf("%s of %s is %q, want %q", property, unit, got, want)
	}
}

func testActions(t *testing.T, s *stage, transport string) {
	s.act(transport+" restart up.service", "")
	if ran, err := os.ReadFile(filepath.Join(s.Home, "up")); err != nil || len(ran) != 2 {
		t.Errorf("restart returned before the job was done: %q, %v", ran, err)
	}
	s.want("up.service", "ActiveState", "active")
	s.act(transport+" restart stopped.service", "")
	s.want("stopped.service", "ActiveState", "inactive")
	s.write("break", "")
	s.act(transport+" restart broken.service", `"failed"`)
	s.want("broken.service", "ActiveState", "failed")
	s.act(transport+" restart absent.service", "absent.service")
	s.want("failed.service", "ActiveState", "failed")
	s.act(transport+" reset-failed failed.service", "")
	s.want("failed.service", "ActiveState", "inactive")
	s.act(transport+" reset-failed absent.service", "absent.service")
	s.write(".config/systemd/user/up.service", "[Unit]\nDescription=anew\n"+units["up.service"])
	s.act(transport+" daemon-reload", "")
	s.want("up.service", "Description", "anew")
}
