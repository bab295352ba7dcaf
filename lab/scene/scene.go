// Package scene prepares a throwaway user manager for tests of stackpolicy. It has three
// sample stacks, linked as Home Manager links them, and the stackpolicy program. Its
// methods change and break things. lab/proof, lab/try and lab/bench use it.
//
// Start at [Open].
package scene

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"stackpolicy/lab/generation"
	"stackpolicy/lab/usermanager"
)

// UnitDir is the user's unit folder, relative to the home.
const UnitDir = ".config/systemd/user"

// ClockTick is how much the kernel's clock for file times may lag. A file that is written
// in this time before a reload may count as written after it.
const ClockTick = 20 * time.Millisecond

// Scene is a running user manager with its stacks. The owner calls Close.
type Scene struct {
	*usermanager.Manager
	// Current is the generation that was activated last.
	Current generation.Built
	program string
}

// Open starts a manager, installs the program at the given path, and activates and starts
// the sample stacks. declared holds more files, by path relative to the home, which
// replace samples with the same path. The text "-" removes a sample.
func Open(ctx context.Context, program string, options usermanager.Options, declared map[string]string) (*Scene, error) {
	m, err := usermanager.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	s := &Scene{Manager: m}
	if s.program, err = m.Install(program); err == nil {
		err = s.start(ctx, declared)
	}
	if err != nil {
		return nil, errors.Join(err, m.Stop())
	}
	return s, nil
}

func (s *Scene) start(ctx context.Context, declared map[string]string) error {
	if err := s.Activate(declared); err != nil {
		return err
	}
	time.Sleep(ClockTick)
	if _, err := s.Systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}
	argv := []string{"start", "stackpolicy-audit.timer"}
	for _, unit := range Stacks() {
		if declared[path.Join(UnitDir, unit)] != "-" {
			argv = append(argv, unit)
		}
	}
	_, err := s.Systemctl(ctx, argv...)
	return err
}

// Close ends the manager and removes all files of the scene.
func (s *Scene) Close() error { return s.Stop() }

// Generation returns the sample stacks, with the declared files added or replaced.
func Generation(declared map[string]string) generation.Generation {
	g := generation.Generation{Files: samples(), Links: map[string]string{}}
	maps.Copy(g.Files, declared)
	for path, text := range g.Files {
		if text == "-" {
			delete(g.Files, path)
		}
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			delete(g.Files, path)
			g.Links[path] = target
		}
	}
	return g
}

// Activate builds and activates a generation as Home Manager does, without the reload of
// the manager. The text "-> TARGET" declares a link.
func (s *Scene) Activate(declared map[string]string) error {
	built, err := Generation(declared).Build(s.StoreDir)
	if err != nil {
		return err
	}
	s.Current = built
	return built.Activate(s.Home, generation.Activation{UID: s.UID, GID: s.GID})
}

// Unit returns the path of a file in the user's unit folder.
func (s *Scene) Unit(name string) string { return filepath.Join(s.Home, UnitDir, name) }

// Write writes a regular file that belongs to the account. It replaces an existing file.
func (s *Scene) Write(path, text string) error {
	if err := s.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Lchown(path, s.UID, s.GID)
}

// Link makes a link that belongs to the account. It replaces an existing file.
func (s *Scene) Link(target, path string) error {
	if err := s.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, path); err != nil {
		return err
	}
	return os.Lchown(path, s.UID, s.GID)
}

// Etc writes a file below /etc/systemd/user, as the machine's owner would.
func (s *Scene) Etc(name, text string) error {
	path := s.Path(filepath.Join("/etc/systemd/user", name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// mkdir makes a folder and its parents. They belong to the account.
func (s *Scene) mkdir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := s.mkdir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.Lchown(dir, s.UID, s.GID)
}

// Systemctl runs systemctl --user and returns what it printed.
func (s *Scene) Systemctl(ctx context.Context, args ...string) (string, error) {
	r := s.Do(s.Command(ctx, append([]string{"systemctl", "--user", "--no-ask-password"}, args...)...))
	if r.Code != 0 {
		return r.Out, fmt.Errorf("systemctl %s: status %d: %s", strings.Join(args, " "), r.Code, strings.TrimSpace(r.Err))
	}
	return strings.TrimSpace(r.Out), nil
}

// Result is the output and exit status of a command. Code is -1 if it could not start.
type Result struct {
	Out, Err string
	Code     int
}

// Stackpolicy runs the program as the account.
func (s *Scene) Stackpolicy(ctx context.Context, args ...string) Result {
	return s.Do(s.Command(ctx, append([]string{s.program}, args...)...))
}

// Do runs a command and collects its output.
func (s *Scene) Do(cmd *exec.Cmd) Result {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	r := Result{Out: out.String(), Err: errs.String()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	case err != nil:
		r.Code, r.Err = -1, err.Error()
	}
	return r
}
