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
	"time"
)

// Build makes a root file system in a folder that is missing or empty, within
// a minute or two, and says so on log. One that is finished stays as it is; an
// unfinished one is made again. A folder that Build did not make, or with
// another list of packages, is an error.
func Build(ctx context.Context, suite, dir string, log io.Writer) error {
	if err := checkSuite(suite); err != nil {
		return err
	}
	done, err := finished(dir, stampOf(suite))
	if done {
		fmt.Fprintf(log, "%s is there already\n", dir)
	}
	if err != nil || done {
		return err
	}
	return build(ctx, suite, dir, log)
}

// finished says whether a root file system of that stamp is there. A folder
// that Build did not make is an error.
func finished(dir, stamp string) (bool, error) {
	have, err := os.ReadFile(filepath.Join(dir, stampFile))
	if err == nil && string(have) != stamp {
		return false, fmt.Errorf("%q is of another make (%s): remove it first", dir, strings.TrimSpace(string(have)))
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err == nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%q is not empty, and no root file system of the lab", dir)
	}
	return false, err
}

// build makes the root file system beside its place and moves it there.
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

// tool is mmdebstrap and the mirror it takes packages from.
type tool struct{ program, mirror string }

// findTool says in words for a person why nothing can be made here.
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
