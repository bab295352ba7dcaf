package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"stackpolicy/finding"
	"stackpolicy/internal/regularfile"
	"stackpolicy/lab/generation"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/usermanager"
)

// stage is a scene in which one row after the other is drilled.
type stage struct {
	*scene.Scene
	ctx     context.Context
	rules   rules
	planted []string // what a row put outside of the folders that restore empties
	base    []finding.Finding
	memory  map[string][]byte // the files of the audits' memory after the first audit, by path
	// invariants are those of the rules.
	invariants []string
}

// evilName begins the name of every unit that a row makes.
const evilName = "evil"

func openStage(ctx context.Context, o Options, r rules) (*stage, error) {
	s := &stage{ctx: ctx, rules: r}
	var err error
	if s.Scene, err = scene.Open(ctx, o.Program, usermanager.Options{}, s.declared(nil)); err != nil {
		return nil, err
	}
	if err = s.prepare(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *stage) prepare() error {
	if err := errors.Join(s.containers(scene.Containers()...), s.rules.write(s)); err != nil {
		return err
	}
	good, err := regularfile.Read(filepath.Join(s.Home, ".podman-inspect.json"), maxUnitFile)
	if err != nil {
		return err
	}
	if err := s.Write(filepath.Join(s.Home, goodContainers), string(good)); err != nil {
		return err
	}
	if err := s.shell("systemctl --user start default.target " + strings.Join(wanted, " ") + " done.service job.service unmet.service"); err != nil {
		return err
	}
	var r report
	if s.base, r, err = s.audit(); err != nil {
		return err
	}
	s.invariants = r.Policy.Invariants
	s.memory, err = s.remember()
	return err
}

// declared returns what the scene declares, with the operator's rules.
func (s *stage) declared(more map[string]string) map[string]string {
	files := declared(more)
	if path := ".config/stackpolicy/config.yaml"; files[path] == "" {
		files[path] = s.rules.config("")
	}
	return files
}

// declare activates a generation with more files. The manager does not read them.
func (s *stage) declare(more map[string]string) error {
	time.Sleep(scene.ClockTick)
	return s.Activate(s.declared(more))
}

// reload lets the manager read all files again, as somebody does who does not look at them.
func (s *stage) reload() error {
	time.Sleep(scene.ClockTick)
	return s.systemctl("daemon-reload")
}

func (s *stage) systemctl(args ...string) error {
	_, err := s.Systemctl(s.ctx, args...)
	return err
}

// try runs systemctl for its effect: its exit status may be any.
func (s *stage) try(args ...string) error {
	_, _ = s.Systemctl(s.ctx, args...)
	return s.ctx.Err()
}

// property returns a property of a unit; "" if the manager cannot say it.
func (s *stage) property(unit, name string) string {
	value, _ := s.Systemctl(s.ctx, "show", "--value", "--property="+name, unit)
	return value
}

func (s *stage) shell(script string) error {
	if r := s.Do(s.Command(s.ctx, "sh", "-c", script)); r.Code != 0 {
		return fmt.Errorf("%s: status %d: %s", script, r.Code, strings.TrimSpace(r.Err))
	}
	return nil
}

// containers sets what podman shows.
func (s *stage) containers(all ...scene.Container) error { return s.Podman(all...) }

// plant writes a file, or makes a link if text begins with "-> ".
func (s *stage) plant(path, text string) error {
	s.planted = append(s.planted, path)
	if target, is := strings.CutPrefix(text, "-> "); is {
		return s.Link(target, path)
	}
	return s.Write(path, text)
}

// audit returns what an audit finds that does not hold, with what is waived, and what it did.
func (s *stage) audit(args ...string) ([]finding.Finding, report, error) {
	r := s.Stackpolicy(s.ctx, append([]string{"eval", "-o", "json"}, args...)...)
	var out report
	if err := json.Unmarshal([]byte(r.Out), &out); err != nil {
		return nil, out, fmt.Errorf("stackpolicy eval gave no report (status %d): %s", r.Code, strings.TrimSpace(r.Err))
	}
	if out.Schema != reportSchema {
		return nil, out, fmt.Errorf("%s writes reports of the form %q, and not %q: install a stackdrill of the same version", "stackpolicy", out.Schema, reportSchema)
	}
	var open []finding.Finding
	for _, f := range out.Decisions {
		if !f.IsAllowed() {
			open = append(open, f)
		}
	}
	return open, out, nil
}

// reportSchema is the form of the reports that are read.
const reportSchema = "stackpolicy.report/v1"

// report is what is read of a report.
type report struct {
	Schema string `json:"schema"`
	Policy struct {
		Invariants []string `json:"invariants"`
	} `json:"policy"`
	Decisions []finding.Finding `json:"decisions"`
	Actions   []struct {
		Action, Subject, Status, Message string
	} `json:"actions"`
}

// restore brings the scene back to what it was, with no memory of earlier audits. It reports
// whether an audit says the same as before.
func (s *stage) restore() (bool, error) {
	if err := s.clean(); err != nil {
		return false, err
	}
	err := s.Activate(s.declared(nil))
	if err = errors.Join(err, s.containers(scene.Containers()...), s.rules.write(s)); err != nil {
		return false, err
	}
	time.Sleep(scene.ClockTick)
	again := "systemctl --user unset-environment APPLY; systemctl --user daemon-reload; systemctl --user stop '" + evilName + "*'; " +
		"systemctl --user reset-failed; systemctl --user start default.target " + strings.Join(wanted, " ") + " done.service job.service unmet.service"
	if err := s.shell(again); err != nil {
		return false, err
	}
	now, _, err := s.audit()
	return err == nil && len(newIn(now, s.base)) == 0 && len(newIn(s.base, now)) == 0, err
}

// clean removes what rows made, and the memory.
func (s *stage) clean() error {
	_ = s.try("stop", evilName+"*")
	for _, path := range append(s.planted,
		filepath.Join(s.Home, ".config"), filepath.Join(s.Home, ".local/share"), filepath.Join(s.Home, ".podman-info.json"),
		s.memoryFolder(), filepath.Join(s.RuntimeDir, "stackpolicy"),
		filepath.Join(s.Home, ".local/state/home-manager/gcroots/new-home"),
		filepath.Join(s.RuntimeDir, "systemd/user"), filepath.Join(s.RuntimeDir, "systemd/user.control"),
		s.Path("/etc/systemd/user"), s.Path("/run/systemd/user")) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	s.planted = nil
	if err := os.RemoveAll(s.rules.folder(s)); err != nil {
		return err
	}
	if err := s.recall(); err != nil {
		return err
	}
	linger := s.Path("/var/lib/systemd/linger/" + s.Username)
	return errors.Join(os.MkdirAll(s.Path("/etc/systemd/user"), 0o755), os.WriteFile(linger, nil, 0o644))
}

// memoryFolder has what audits remember.
func (s *stage) memoryFolder() string { return filepath.Join(s.Home, ".local/state/stackpolicy") }

// remember reads the memory. With it the rules need not be compiled again for each row.
func (s *stage) remember() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(s.memoryFolder(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files[path], err = regularfile.Read(path, maxMemory)
		return err
	})
	return files, err
}

// recall writes the memory again.
func (s *stage) recall() error {
	for path, content := range s.memory {
		err := s.Write(path, string(content))
		if err = errors.Join(err, os.Chmod(path, 0o600), os.Chmod(filepath.Dir(path), 0o700)); err != nil {
			return err
		}
	}
	return nil
}

// owner is the account of the scene, for activations.
func (s *stage) owner() generation.Activation { return generation.Activation{UID: s.UID, GID: s.GID} }

// until waits until a condition is met.
func (s *stage) until(what string, done func() bool) error {
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited 10 s in vain until %s", what)
		}
	}
	return nil
}

func (s *stage) shellOf(r scene.Result, args []string) error {
	if r.Code != 0 {
		return fmt.Errorf("stackpolicy %s: status %d: %s%s", strings.Join(args, " "), r.Code, r.Out, r.Err)
	}
	return nil
}
