package compose

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFind(t *testing.T) {
	scripts := map[string]string{
		"podman 5":        `echo '>>>> Executing external compose provider <<<<' >&2; echo 'podman-compose version 1.3.0'; echo 'podman version 5.4.2'`,
		"podman 4":        "echo 'Error: unrecognized command' >&2; exit 125",
		"podman alone":    `echo 'Error: looking up compose provider failed' >&2; exit 125`,
		"podman, empty":   ``,
		"podman-compose":  ``,
		"docker, version": `echo 'Docker Compose version v2.29.1'`,
	}
	tests := map[string]struct {
		configured []string
		installed  map[string]string // command: script
		want       string            // words, each command by its name
		err        string
	}{
		"nothing":             {nil, nil, "", "install podman-compose"},
		"podman with compose": {nil, map[string]string{"podman": "podman 5", "podman-compose": "podman-compose"}, "podman compose", ""},
		"podman with docker":  {nil, map[string]string{"podman": "docker, version"}, "podman compose", ""},
		"podman too old":      {nil, map[string]string{"podman": "podman 4", "podman-compose": "podman-compose"}, "podman-compose", ""},
		"podman, no provider": {nil, map[string]string{"podman": "podman alone"}, "", "install podman-compose"},
		"podman, no answer":   {nil, map[string]string{"podman": "podman, empty", "podman-compose": "podman-compose"}, "podman-compose", ""},
		"configured":          {[]string{"podman-compose", "--verbose"}, map[string]string{"podman": "podman 5", "podman-compose": "podman-compose"}, "podman-compose --verbose", ""},
		"configured, missing": {[]string{"docker", "compose"}, map[string]string{"podman": "podman 5"}, "", `"docker": executable file not found`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lookPath := func(name string) (string, error) {
				script, ok := test.installed[name]
				if !ok {
					return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
				}
				path := filepath.Join(dir, name)
				return path, os.WriteFile(path, []byte("#!/bin/sh\n"+scripts[script]+"\n"), 0o700)
			}
			got, err := Find(t.Context(), test.configured, lookPath)
			if test.err != "" {
				wantError(t, err, test.err, "no compose provider")
				if !errors.Is(err, ErrNoProvider) {
					t.Errorf("error %v is not ErrNoProvider", err)
				}
				return
			}
			if words := strings.ReplaceAll(got.String(), dir+"/", ""); words != test.want || err != nil {
				t.Errorf("got %q, error %v; want %q", words, err, test.want)
			}
		})
	}
}

func TestFindEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := Find(ctx, nil, func(string) (string, error) { return "/bin/sh", nil })
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrNoProvider) || len(got.Argv) > 0 {
		t.Errorf("got %v, error %v", got, err)
	}
}

func TestVersion(t *testing.T) {
	tests := map[string]struct {
		script, want string
		err          []string
	}{
		"podman-compose 1.0": {`echo "['podman', '--version', '']"; echo 'using podman version: 4.3.1'; echo 'podman-composer version  1.0.3'; echo 'podman version 4.3.1'`, "podman-compose 1.0.3", nil},
		"podman-compose 1.3": {`echo 'podman-compose version 1.3.0'; echo 'podman version 5.4.2'`, "podman-compose 1.3.0", nil},
		"docker compose":     {`echo 'Docker Compose version v2.29.1-desktop.1'`, "docker compose 2.29.1-desktop.1", nil},
		"asks for it":        {`[ "$*" = version ] && echo 'podman-compose version 1'`, "podman-compose 1", nil},
		"fails":              {`echo broken >&2; exit 1`, "", []string{"exit status 1", "broken"}},
		"says another thing": {`echo 'podman version 5.4.2'`, "", []string{"no version in"}},
		"endless":            {`trap '' PIPE; yes | head -c 10000000; exit 1`, "", []string{"exit status 1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, _ := fake(t, test.script)
			got, err := p.Version(t.Context())
			if test.err != nil {
				wantError(t, err, append(test.err, "provider.sh version")...)
			} else if got != test.want || err != nil {
				t.Errorf("got %q, error %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestVersionHangs(t *testing.T) {
	p, dir := fake(t, `sleep 60 & echo $! >$dir/pid; wait`)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := p.Version(ctx)
	wantError(t, err, "version: context deadline exceeded")
	waitGone(t, dir, "pid")
}
