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
	maxRuns      = 100       // of the generator, to find what crashes it; one takes 10 to 30 ms
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
	culprits, err := g.culprits(ctx, a.read)
	if err != nil {
		return nil, err
	}
	reason := shorten(fmt.Sprintf("podman's generator crashes (%s), so that no unit is made from this quadlet", a.crash))
	refused := a.refusals(sources) // what it came to before the crash, becomes units
	for source := range refused {
		refused[source] = Refusal{cause(source, culprits), reason}
	}
	return refused, nil
}

// cause returns the culprit that is the source, or else the first; "" without any.
func cause(source string, culprits []string) string {
	switch {
	case slices.ContainsFunc(culprits, func(c string) bool { return sameFile(c, source) }):
		return source
	case len(culprits) > 0:
		return culprits[0]
	}
	return ""
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

// culprits returns the files on which the generator crashes. If it crashes on two only
// together, it returns one of them. It returns those that it finds within maxRuns.
func (g Generator) culprits(ctx context.Context, files []string) ([]string, error) {
	dir, err := os.MkdirTemp("", "stackpolicy-quadlet-")
	if err != nil {
		return nil, fmt.Errorf("find the quadlet that crashes the generator: %w", err)
	}
	defer os.RemoveAll(dir)
	s := &search{g: g, dir: dir}
	culprits, err := s.among(ctx, slices.Compact(slices.Sorted(slices.Values(files))), nil)
	if err != nil {
		return nil, fmt.Errorf("find the quadlet that crashes the generator: %w", err)
	}
	return culprits, nil
}

// search finds the files on which the generator crashes.
type search struct {
	g    Generator
	dir  string // scratch
	runs int
}

// among returns the culprits among the files. beside are read too; they do not crash it.
func (s *search) among(ctx context.Context, files, beside []string) ([]string, error) {
	crashes, err := s.crashes(ctx, slices.Concat(files, beside))
	if err != nil || !crashes {
		return nil, err
	}
	if len(files) == 1 {
		return files, nil
	}
	half := len(files) / 2
	culprits, err := s.among(ctx, files[:half], beside)
	if err != nil {
		return nil, err
	}
	more, err := s.among(ctx, files[half:], beside)
	if culprits = append(culprits, more...); err != nil || len(culprits) > 0 {
		return culprits, err
	}
	return s.among(ctx, files[:half], slices.Concat(files[half:], beside)) // it takes both halves
}

// crashes reports whether the generator crashes on these files, with the drop-ins of their
// folders.
func (s *search) crashes(ctx context.Context, files []string) (bool, error) {
	if s.runs++; s.runs > maxRuns {
		return false, nil
	}
	scratch := filepath.Join(s.dir, fmt.Sprint(s.runs))
	var dirs []string
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
