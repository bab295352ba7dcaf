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
)

const (
	maxUnits     = 8 << 20   // bytes of generated units; 1,000 quadlets are some 600 kB
	maxComplaint = 256 << 10 // bytes of the generator's messages
	maxAlone     = 200       // files that are tried one at a time after a crash
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
	reason := shorten(fmt.Sprintf("podman's generator crashes (%s), so that no quadlet becomes a unit", a.crash))
	refused := map[string]Refusal{}
	for _, source := range sources {
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

// culprits returns the files on which the generator crashes. It reads each file alone, so a
// crash that takes two files is not found.
func (g Generator) culprits(ctx context.Context, files []string) ([]string, error) {
	if len(files) > maxAlone {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "stackpolicy-quadlet-")
	if err != nil {
		return nil, fmt.Errorf("try quadlets one at a time: %w", err)
	}
	defer os.RemoveAll(dir)
	var culprits []string
	for i, file := range files {
		alone := filepath.Join(dir, fmt.Sprint(i))
		a, err := g.askAlone(ctx, alone, file)
		if err != nil {
			return nil, fmt.Errorf("try quadlets one at a time: %w", err)
		}
		if a.crash != "" {
			culprits = append(culprits, file)
		}
	}
	return culprits, nil
}

// askAlone has the generator read one file, with its drop-ins, in a folder made for it.
func (g Generator) askAlone(ctx context.Context, folder, file string) (reply, error) {
	err := os.Mkdir(folder, 0o700)
	if err == nil {
		err = os.Symlink(file, filepath.Join(folder, filepath.Base(file)))
	}
	if _, missing := os.Stat(file + ".d"); missing == nil && err == nil {
		err = os.Symlink(file+".d", filepath.Join(folder, filepath.Base(file)+".d"))
	}
	if err != nil {
		return reply{}, err
	}
	return g.ask(ctx, []string{folder})
}
