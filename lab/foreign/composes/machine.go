package composes

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"stackpolicy/internal/regularfile"
	"stackpolicy/lab/machine"
)

const (
	folder   = machine.Home + "/foreign" // where the files are in a machine
	maxSize  = 256 << 20                 // bytes of all files that are copied
	maxLine  = 1 << 20                   // bytes of one verdict
	toolName = "stackpolicy/lab/foreign/composes/inside"
)

// in boots a machine of a suite, and checks the compose files of a folder there, also as
// they are if asItIs. No container is started.
func in(ctx context.Context, suite, dir string, asItIs bool) (verdicts []Verdict, err error) {
	scratch, err := os.MkdirTemp("", "stackpolicy-foreign-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	program := filepath.Join(scratch, "inside")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, toolName)
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w: %s", toolName, err, said)
	}
	m, err := machine.Boot(ctx, machine.Options{Suite: suite})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Stop()) }()
	installed, err := m.Install(program)
	if err != nil {
		return nil, err
	}
	if err := send(ctx, m, dir); err != nil {
		return nil, err
	}
	command := []string{installed, folder}
	if asItIs {
		command = append(command, "as-it-is")
	}
	before, err := made(ctx, m)
	if err != nil {
		return nil, err
	}
	if verdicts, err = check(m.Command(ctx, command...)); err != nil {
		return nil, err
	}
	after, err := made(ctx, m)
	if err == nil && after != before {
		err = fmt.Errorf("a rehearsal made something: there was %q, there is %q", before, after)
	}
	return verdicts, err
}

// made lists what podman has in a machine.
func made(ctx context.Context, m *machine.Machine) (string, error) {
	const list = "podman ps --all --quiet && podman pod ls --quiet && podman network ls --quiet && podman volume ls --quiet && podman image ls --quiet"
	said, err := m.Command(ctx, "sh", "-c", list).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("list what podman has: %w: %s", err, said)
	}
	return string(said), nil
}

// send copies the regular files of a folder into the machine.
func send(ctx context.Context, m *machine.Machine, dir string) error {
	pack, packed := io.Pipe()
	cmd := m.Command(ctx, "sh", "-c", "mkdir "+folder+" && exec tar --extract --directory="+folder)
	cmd.Stdin = pack
	go func() { packed.CloseWithError(archive(dir, packed)) }()
	said, err := cmd.CombinedOutput()
	pack.Close()
	if err != nil {
		return fmt.Errorf("copy %s: %w: %s", dir, err, said)
	}
	return nil
}

// archive writes the regular files of a folder, each of 1 MiB at most: a compose file, and
// what it names.
func archive(dir string, to io.Writer) error {
	w := tar.NewWriter(to)
	size := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case entry.IsDir() && entry.Name() == ".git":
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		content, err := regularfile.Read(path, maxFile)
		if err != nil {
			return nil
		}
		if size += len(content); size > maxSize {
			return fmt.Errorf("more than %d MiB: name a folder below it", maxSize>>20)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: "./" + name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	return errors.Join(err, w.Close())
}

func check(cmd *exec.Cmd) (verdicts []Verdict, err error) {
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var v Verdict
		if err = json.Unmarshal(lines.Bytes(), &v); err != nil {
			break
		}
		verdicts = append(verdicts, v)
	}
	if err := errors.Join(err, lines.Err(), cmd.Wait()); err != nil {
		return verdicts, fmt.Errorf("%s: %w: %s", filepath.Base(toolName), err, bytes.TrimSpace(complaints.Bytes()))
	}
	return verdicts, nil
}
