package collect

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"stackpolicy/facts"
	"stackpolicy/internal/regularfile"
)

// collectUser fills user and host.
func collectUser(_ context.Context, r *run) (func(), error) {
	e := r.env
	linger, err := exists(filepath.Join(e.LingerDir, e.Name))
	if err != nil {
		return nil, fmt.Errorf("look for the linger flag: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read the host name: %w", err)
	}
	system, err := osName("/etc/os-release")
	if err != nil {
		return nil, err
	}
	return func() {
		r.doc.Host = &facts.Host{Name: host, OS: system}
		r.doc.User = &facts.User{
			UID: e.UID, Name: e.Name, Home: e.Home,
			UnitDir: e.UnitDir(), RuntimeDir: e.RuntimeDir, Linger: linger,
		}
	}, nil
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// maxRelease bounds what is read of os-release: it is some hundred bytes.
const maxRelease = 64 << 10

// osName reads PRETTY_NAME (os-release(5)).
func osName(path string) (string, error) {
	f, err := regularfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the name of the system: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxRelease))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"'`), nil
		}
	}
	return "", lines.Err()
}
