package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Path returns the path by which the host can reach a file of the running machine. An
// absolute link in that path leads into the host's own tree: use Inside if there may be
// one. Files that are created there belong to root.
func (e *Entry) Path(path string) string {
	return filepath.Join("/proc", strconv.Itoa(e.leader), "root", path)
}

// Inside calls do in the machine's file system, as root: every path is one of the
// machine's. Goroutines that do starts are not in the machine. Files that do opens can be
// used after it returns.
func (e *Entry) Inside(do func() error) error {
	done := make(chan error)
	go func() {
		// The thread is never unlocked, so it ends with this function: its working
		// folder differs from that of the process.
		runtime.LockOSThread()
		err := errors.New("enter the machine: the function did not return")
		defer func() { done <- err }()
		err = e.enterThread(do)
	}()
	return <-done
}

// enterThread moves the calling thread into the machine's mount namespace, calls do, and
// moves it back. The process's first thread never ends, and would keep the namespace.
func (e *Entry) enterThread(do func() error) error {
	own, err := os.Open("/proc/thread-self/ns/mnt")
	if err != nil {
		return fmt.Errorf("enter the machine: %w", err)
	}
	defer own.Close()
	target, err := os.Open(filepath.Join("/proc", strconv.Itoa(e.leader), "ns/mnt"))
	if err != nil {
		return fmt.Errorf("enter the machine: %w", err)
	}
	defer target.Close()
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // setns(2) requires it
		return fmt.Errorf("enter the machine: %w", err)
	}
	if err := unix.Setns(int(target.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the machine: %w", err)
	}
	err = do()
	if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNS); back != nil {
		return errors.Join(err, fmt.Errorf("leave the machine: %w", back))
	}
	return err
}

// Write writes a file of the machine, replaces an existing one, and makes its folders.
// Files below Home or StoreDir belong to the user.
func (e *Entry) Write(path, text string) error { return e.put(path, []byte(text), 0o644) }

// Install copies a program of the host into BinDir, which is in every PATH, and returns
// its path there. It may replace a program that is running.
func (e *Entry) Install(program string) (path string, err error) {
	data, err := os.ReadFile(program)
	if err != nil {
		return "", fmt.Errorf("install a program: %w", err)
	}
	path = filepath.Join(BinDir, filepath.Base(program))
	return path, e.put(path, data, 0o755)
}

func (e *Entry) put(path string, data []byte, mode os.FileMode) error {
	err := e.Inside(func() error {
		owner := ownerOf(path)
		if err := makeOwnFolder(filepath.Dir(path), owner); err != nil {
			return err
		}
		written := path + ".new"
		if err := os.WriteFile(written, data, mode); err != nil {
			return err
		}
		return errors.Join(os.Chmod(written, mode), os.Chown(written, owner, owner), os.Rename(written, path))
	})
	if err != nil {
		return fmt.Errorf("write to the machine: %w", err)
	}
	return nil
}

// makeOwnFolder makes a folder and its parents.
func makeOwnFolder(dir string, owner int) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makeOwnFolder(filepath.Dir(dir), owner); err != nil {
		return err
	}
	return errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, owner, owner))
}

func ownerOf(path string) int {
	for _, own := range []string{Home, StoreDir} {
		if strings.HasPrefix(path, own+"/") {
			return UID
		}
	}
	return 0
}
