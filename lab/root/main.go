// Command root makes a root file system to run user managers in, of another
// Debian release than the machine's own, with podman's quadlet generator:
//
//	go run ./lab/root trixie /var/tmp/stackpolicy-trixie
//
// It needs root, mmdebstrap, and a Debian machine: packages come from the
// mirror of the machine's own apt sources, checked by its keyring. A root file
// system that is finished stays as it is; an unfinished one is made again.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// packages are what a user manager with quadlets needs.
var packages = []string{
	"systemd", "dbus", "dbus-user-session", "libpam-systemd",
	"podman", "crun", "conmon", "catatonit", "uidmap", "passt", "netavark",
}

// stampFile says that a root file system is finished, and what it was made of.
const stampFile = ".stackpolicy-lab-root"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "root:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: root DEBIAN-SUITE DIR")
	}
	suite := args[0]
	if !regexp.MustCompile(`^[a-z]+$`).MatchString(suite) {
		return fmt.Errorf("suite %q: want a release's name, such as trixie", suite)
	}
	dir, err := filepath.Abs(args[1])
	if err != nil {
		return err
	}
	stamp := suite + " " + strings.Join(packages, " ") + "\n"
	done, err := finished(dir, stamp)
	if err != nil || done {
		return err
	}
	return build(ctx, suite, dir, stamp)
}

// finished says whether a root file system of that stamp is there. A folder
// that this command did not make is an error.
func finished(dir, stamp string) (bool, error) {
	have, err := os.ReadFile(filepath.Join(dir, stampFile))
	if err == nil {
		if string(have) != stamp {
			return false, fmt.Errorf("%q is of another make (%s): remove it first", dir, strings.TrimSpace(string(have)))
		}
		fmt.Fprintf(os.Stderr, "%s is there already\n", dir)
		return true, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%q is not empty, and no root file system of this command", dir)
	}
	return false, err
}

// build makes the root file system beside its place and moves it there.
func build(ctx context.Context, suite, dir, stamp string) error {
	program, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return fmt.Errorf("%w\nhint: apt-get install mmdebstrap", err)
	}
	if os.Geteuid() != 0 {
		return errors.New("the files of a root file system belong to root: run this as root")
	}
	mirror, err := aptMirror("/etc/apt")
	if err != nil {
		return err
	}
	unfinished := dir + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	begin := time.Now()
	if err := mmdebstrap(ctx, program, suite, unfinished, mirror); err != nil {
		return errors.Join(err, os.RemoveAll(unfinished))
	}
	if err := os.WriteFile(filepath.Join(unfinished, stampFile), []byte(stamp), 0o644); err != nil {
		return err
	}
	if err := os.Rename(unfinished, dir); err != nil {
		return err
	}
	size, err := treeSize(dir)
	fmt.Fprintf(os.Stderr, "made %s in %v: %d MB\n", dir, time.Since(begin).Round(time.Second), size>>20)
	return err
}

func mmdebstrap(ctx context.Context, program, suite, dir, mirror string) error {
	cmd := exec.CommandContext(ctx, program,
		"--mode=root", "--variant=minbase", "--format=directory",
		"--include="+strings.Join(packages, ","),
		`--aptopt=APT::Install-Recommends "0"`,
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=force-unsafe-io",
		suite, dir, mirror)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
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
