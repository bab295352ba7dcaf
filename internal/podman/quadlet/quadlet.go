// Package quadlet asks podman's generator which quadlets it makes no unit from, and why
// (podman-systemd.unit(5)). The generator's dry run writes nothing.
//
// Start at [Generator.Refusals].
package quadlet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"stackpolicy/internal/bounded"
	"stackpolicy/internal/unitfile"
)

const (
	maxUnits     = 8 << 20   // bytes of generated units; 1,000 quadlets are some 600 kB
	maxComplaint = 256 << 10 // bytes of the generator's messages
	maxFolder    = 2000      // entries of a folder
	waitDelay    = 500 * time.Millisecond
)

// Generator is podman's generator for user units.
type Generator struct {
	Path string
	Env  []string // HOME, XDG_CONFIG_HOME and XDG_RUNTIME_DIR of the account
}

// Refusals returns why no unit is generated from some of the sources, by path. Sources that
// are accepted are not in it. All sources exist, and are in folders that the generator
// reads.
func (g Generator) Refusals(ctx context.Context, sources []string) (map[string]Refusal, error) {
	a, err := g.ask(ctx, nil)
	if err != nil {
		return nil, err
	}
	if a.crash == "" {
		return a.refusals(sources), nil
	}
	culprit, err := g.culprit(ctx, a)
	if err != nil {
		return nil, err
	}
	reason := shorten(fmt.Sprintf("podman's generator crashes (%s), so that no unit is made from this quadlet", a.crash))
	refused := a.refusals(sources) // what it came to before the crash, becomes units
	for source := range refused {
		refused[source] = Refusal{culprit, reason}
		if sameFile(culprit, source) {
			refused[source] = Refusal{source, reason}
		}
	}
	return refused, nil
}

// ask runs the generator once. dirs replaces the folders that it reads; nil means its own.
func (g Generator) ask(ctx context.Context, dirs []string) (reply, error) {
	cmd := exec.CommandContext(ctx, g.Path, "--user", "--dryrun")
	cmd.Env = append(slices.Clone(g.Env), "LC_ALL=C")
	if dirs != nil {
		cmd.Env = append(cmd.Env, "QUADLET_UNIT_DIRS="+strings.Join(dirs, ":"))
	}
	stdout, stderr := &bounded.Buffer{Limit: maxUnits}, &bounded.Buffer{Limit: maxComplaint}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = stdout, stderr, waitDelay
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return reply{}, fmt.Errorf("%s: %w", g.Path, ctx.Err())
	case stdout.IsFull || stderr.IsFull:
		return reply{}, fmt.Errorf("%s: its output is longer than %d bytes", g.Path, maxUnits)
	case err != nil && !errors.As(err, &exit):
		return reply{}, fmt.Errorf("run podman's generator: %w", err)
	}
	a := parse(stdout.String(), stderr.String())
	if exit != nil && exit.ExitCode() != 1 && a.crash == "" { // 1 means that it refused a file
		a.crash = exit.Error()
	}
	return a, nil
}

// culprit returns a file on which the generator crashes; of those that it crashes on only
// together, one from which it has made no unit. It returns "" if it finds none within most of the time that is left.
func (g Generator) culprit(ctx context.Context, a reply) (string, error) {
	dir, err := os.MkdirTemp("", "stackpolicy-quadlet-")
	if err != nil {
		return "", fmt.Errorf("find the quadlet that crashes the generator: %w", err)
	}
	defer os.RemoveAll(dir)
	within, cancel := ctx, context.CancelFunc(func() {})
	if end, ok := ctx.Deadline(); ok {
		within, cancel = context.WithTimeout(ctx, time.Until(end)*3/4)
	}
	defer cancel()
	s := &search{g: g, dir: dir}
	culprit, err := s.find(within, a)
	if within.Err() != nil && ctx.Err() == nil {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find the quadlet that crashes the generator: %w", err)
	}
	return culprit, nil
}

// search finds a file on which the generator crashes, in at most two runs for each halving.
type search struct {
	g    Generator
	dir  string // scratch
	runs int
}

// find returns a culprit among the files from which no unit was made; "" if the generator
// crashes without all of them, or no more.
func (s *search) find(ctx context.Context, a reply) (string, error) {
	read := slices.Compact(slices.Sorted(slices.Values(a.read)))
	made := slices.DeleteFunc(slices.Clone(read), func(f string) bool { return !a.isAccepted(f) })
	files := slices.DeleteFunc(read, a.isAccepted)
	if crashes, err := s.crashes(ctx, made); crashes || err != nil {
		return "", err
	}
	if crashes, err := s.crashes(ctx, slices.Concat(files, made)); !crashes || err != nil {
		return "", err
	}
	return s.among(ctx, files, made)
}

// among returns a culprit among the files. The generator crashes on them and those beside
// them, and not on those beside them alone.
func (s *search) among(ctx context.Context, files, beside []string) (string, error) {
	if len(files) == 1 {
		return files[0], nil
	}
	first, second := files[:len(files)/2], files[len(files)/2:]
	for _, half := range [][]string{first, second} {
		crashes, err := s.crashes(ctx, slices.Concat(half, beside))
		if err != nil {
			return "", err
		}
		if crashes {
			return s.among(ctx, half, beside)
		}
	}
	return s.among(ctx, first, slices.Concat(second, beside)) // it takes both
}

// crashes reports whether the generator crashes on these files, with the drop-ins of their
// folders.
func (s *search) crashes(ctx context.Context, files []string) (bool, error) {
	s.runs++
	scratch := filepath.Join(s.dir, fmt.Sprint(s.runs))
	dirs := []string{filepath.Join(scratch, "none")} // without any, it would read its own
	if err := os.MkdirAll(dirs[0], 0o700); err != nil {
		return false, err
	}
	of := map[string]string{}
	for _, file := range files {
		source := filepath.Dir(file)
		if of[source] == "" {
			of[source] = filepath.Join(scratch, fmt.Sprint(len(dirs)))
			dirs = append(dirs, of[source])
			if err := linkDropIns(source, of[source]); err != nil {
				return false, err
			}
		}
		if err := os.Symlink(file, filepath.Join(of[source], filepath.Base(file))); err != nil {
			return false, err
		}
	}
	a, err := s.g.ask(ctx, dirs)
	return a.crash != "", errors.Join(err, os.RemoveAll(scratch))
}

// linkDropIns makes a folder with links to the folders of drop-ins in another one.
func linkDropIns(source, folder string) error {
	names, err := unitfile.Entries(source, maxFolder)
	err = errors.Join(err, os.MkdirAll(folder, 0o700))
	for _, name := range names {
		if filepath.Ext(name) == ".d" && err == nil {
			err = os.Symlink(filepath.Join(source, name), filepath.Join(folder, name))
		}
	}
	return err
}
