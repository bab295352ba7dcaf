package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// buildLimit bounds a command: a first build compiles every module.
const buildLimit = 30 * time.Minute

// programs are the programs that are packaged.
func programs() []string { return []string{"stackctl", "stackfleet", "stackpolicy"} }

// parts are programs that others run. They are in libexec, and their commands have the help.
func parts() []string { return []string{"stackdrill"} }

// built is the built project: the programs for the chosen architecture, and programs
// that run on this machine, which write man pages and completions.
type built struct {
	source  string
	work    string // scratch
	arch    string
	target  string // folder of the programs to package
	native  string // folder of the programs that run on this machine
	version string // of the module, without the v
	date    time.Time
	modules []string // that the programs contain
}

func build(ctx context.Context, source, work, arch, epoch string) (*built, error) {
	b := &built{source: source, work: work, arch: arch, native: filepath.Join(work, runtime.GOARCH), target: filepath.Join(work, arch)}
	for _, dir := range []string{b.native, b.target} {
		if err := b.compile(ctx, dir); err != nil {
			return nil, err
		}
	}
	if err := b.readInfo(epoch); err != nil {
		return nil, fmt.Errorf("read what was built: %w", err)
	}
	return b, nil
}

// compile builds the programs for the architecture that dir is named for.
func (b *built) compile(ctx context.Context, dir string) error {
	args := []string{"build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", dir + "/"}
	for _, p := range slices.Concat(programs(), parts()) {
		args = append(args, "./cmd/"+p)
	}
	env := []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + filepath.Base(dir), "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOWORK=off"}
	_, err := command(ctx, b.source, env, "go", args...)
	return err
}

// readInfo takes version, date and modules from the programs themselves.
func (b *built) readInfo(epoch string) error {
	seen := map[string]bool{}
	var commit string
	for _, p := range slices.Concat(programs(), parts()) {
		info, err := buildinfo.ReadFile(filepath.Join(b.target, p))
		if err != nil {
			return err
		}
		b.version = strings.TrimPrefix(info.Main.Version, "v")
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				commit = s.Value
			}
		}
		for _, m := range info.Deps {
			if m.Replace != nil {
				return fmt.Errorf("module %s is replaced; package what go.mod requires", m.Path)
			}
			if !seen[m.Path] {
				b.modules = append(b.modules, m.Path)
			}
			seen[m.Path] = true
		}
	}
	if commit == "" || b.version == "(devel)" {
		return errors.New("the programs know no commit; build from a git work tree")
	}
	return b.dateBy(epoch, commit)
}

// dateBy returns the date of all files: $SOURCE_DATE_EPOCH, or the commit's date.
func (b *built) dateBy(epoch, commit string) (err error) {
	if epoch == "" {
		b.date, err = time.Parse(time.RFC3339, commit)
		return err
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH %q is no number of seconds", epoch)
	}
	b.date = time.Unix(seconds, 0)
	return nil
}

// plainVersion writes a pre-release so that it sorts before its release in Debian
// (deb-version(7)) and rpm: 1.2.0-rc.1 becomes 1.2.0~rc.1.
func (b *built) plainVersion() string { return strings.ReplaceAll(b.version, "-", "~") }

// ask runs one of the programs without this machine's configuration, and returns its
// output.
func (b *built) ask(ctx context.Context, program string, args ...string) ([]byte, error) {
	home := filepath.Join(b.work, "home")
	env := []string{
		"HOME=" + home, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_RUNTIME_DIR=" + home,
		"LC_ALL=C", "TZ=UTC", "SOURCE_DATE_EPOCH=" + strconv.FormatInt(b.date.Unix(), 10),
	}
	return command(ctx, b.work, env, filepath.Join(b.native, program), args...)
}

// command runs a program with additional environment, and returns its output.
func command(ctx context.Context, dir string, env []string, program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, buildLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), args[0], err, bytes.TrimSpace(errs.Bytes()))
	}
	return out, nil
}
