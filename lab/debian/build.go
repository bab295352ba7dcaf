package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Build makes a root file system in dir, which must be missing or empty. It takes a
// minute or two; progress goes to log. A finished root is not changed, and an
// unfinished one is replaced. It is an error if Build did not make the folder, or
// made it from another list of packages. While another process makes the same root,
// Build waits, as long as ctx allows.
func Build(ctx context.Context, suite, dir string, log io.Writer) error {
	if err := checkSuite(suite); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	unlock, err := lock(ctx, dir+lockSuffix)
	if err != nil {
		return err
	}
	defer unlock()
	done, err := isFinished(dir, stampOf(suite))
	if done {
		fmt.Fprintf(log, "%s is there already\n", dir)
	}
	if err != nil || done {
		return err
	}
	return build(ctx, suite, dir, log)
}

// isFinished reports whether dir holds a root file system with that stamp. A folder
// that Build did not make is an error.
func isFinished(dir, stamp string) (bool, error) {
	have, err := os.ReadFile(filepath.Join(dir, stampFile))
	if err == nil && string(have) != stamp {
		return false, fmt.Errorf("%q was made from another list of packages (%s): remove it first", dir, strings.TrimSpace(string(have)))
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err == nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%q is not empty and is no root file system of the lab: remove it, or name another folder", dir)
	}
	return false, err
}

// build makes the root file system beside dir, and moves it to dir when it is complete.
// The caller holds the lock of dir.
func build(ctx context.Context, suite, dir string, log io.Writer) error {
	tool, err := findTool()
	if err != nil {
		return err
	}
	unfinished := dir + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	begin := time.Now()
	fmt.Fprintf(log, "making a root file system of %s in %s; this takes a minute or two\n", suite, dir)
	if err := tool.run(ctx, suite, unfinished, log); err != nil {
		return errors.Join(err, os.RemoveAll(unfinished))
	}
	if err := os.WriteFile(filepath.Join(unfinished, stampFile), []byte(stampOf(suite)), 0o644); err != nil {
		return err
	}
	if err := os.Rename(unfinished, dir); err != nil {
		return err
	}
	size, err := treeSize(dir)
	fmt.Fprintf(log, "made %s in %v: %d MB\n", dir, time.Since(begin).Round(time.Second), size>>20)
	return err
}

// systemPath is where Debian's packages have their programs.
const systemPath = "/usr/sbin:/usr/bin:/sbin:/bin"

// tool is mmdebstrap and the mirror it takes packages from.
type tool struct{ program, mirror string }

// findTool returns the tool. The error says what is missing on this machine.
func findTool() (tool, error) {
	if os.Geteuid() != 0 {
		return tool{}, errors.New("the files of a root file system belong to root: run this as root")
	}
	program, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return tool{}, fmt.Errorf("%w\nhint: apt-get install mmdebstrap", err)
	}
	mirror, err := aptMirror("/etc/apt")
	return tool{program, mirror}, err
}

func (t tool) run(ctx context.Context, suite, dir string, log io.Writer) error {
	cmd := exec.CommandContext(ctx, t.program,
		"--mode=root", "--variant=minbase", "--format=directory",
		"--include="+strings.Join(packages, ","),
		`--aptopt=APT::Install-Recommends "0"`,
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=force-unsafe-io",
		suite, dir, t.mirror)
	// It filters each package with a program for "env python3": only the system's own
	// interpreter, as a version manager's shim makes the whole take twice as long.
	cmd.Env = append(cmd.Environ(), "PATH="+systemPath)
	// What it mounts goes with it, also when it is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("make a root file system of %s: %w", suite, err)
	}
	return nil
}

// treeSize adds up the sizes of the files below a folder.
func treeSize(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}
