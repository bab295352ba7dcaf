package compose

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const rehearsed = "services: {a: {image: i}, b: {image: i, user: x, volumes: [/no/such/folder:/v]}}"

func rehearse(t *testing.T, version, script string) (said string, err error) {
	t.Helper()
	p, dir := fake(t, script)
	err = p.Rehearse(t.Context(), version, modelOf(t, rehearsed), []string{"PATH=" + os.Getenv("PATH"), "dir=" + dir}, t.TempDir())
	text, _ := os.ReadFile(filepath.Join(dir, "calls"))
	return string(text), err
}

func TestRehearse(t *testing.T) {
	calls := `echo "$*" >>$dir/calls; `
	said, err := rehearse(t, "podman-compose 1.3.0", calls)
	if err != nil || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "--dry-run --podman-path true -p t -f ") || !strings.HasSuffix(said, "up -d --no-build\n") {
		t.Errorf("called %q, error %v", said, err)
	}
	if said, err = rehearse(t, "docker compose 2.29.1", calls); err != nil || !strings.HasSuffix(said, "/compose.yaml config\n") {
		t.Errorf("called %q, error %v", said, err)
	}
}

// No folder of the host is named in what is rehearsed: podman-compose would make it.
func TestRehearseNamesNoFolder(t *testing.T) {
	_, err := rehearse(t, "podman-compose 1.3.0", `cat "$7" >&2; while [ "$1" != -f ]; do shift; done; grep -q /no/such "$2" && exit 1; grep -q 'source: /$' "$2"`)
	if err != nil {
		t.Error(err)
	}
}

func TestRehearseRefusals(t *testing.T) {
	tests := map[string]struct{ script, want string }{
		"of a service by a key": {`while [ "$1" != -f ]; do shift; done; grep -q user: "$2" || exit 0; echo Traceback; echo 'ValueError: ERROR: bad user'; exit 1`, "services.b.user: bad user"},
		"of a service":          {`while [ "$1" != -f ]; do shift; done; grep -q '  b:' "$2" || exit 0; echo no; exit 1`, "services.b: no"},
		"of two together":       {`while [ "$1" != -f ]; do shift; done; grep -q '  b:' "$2" && grep -q '  a:' "$2" || exit 0; echo no; exit 1`, "no"},
		"by podman compose":     {`echo 'ValueError: no such'; echo 'Error: executing /usr/bin/podman-compose -f /x up: exit status 1'; exit 1`, "services.a: no such"},
		"without a word":        {`exit 3`, "services.a: it ended without a word"},
		"of much":               {`head -c 1000000 /dev/zero | tr '\0' x; echo; echo "RuntimeError: the end"; exit 1`, "services.a: the end"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := rehearse(t, "podman-compose 1.3.0", test.script)
			var refusal Refusal
			if !errors.As(err, &refusal) || refusal.Error() != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestRehearseThatHangs(t *testing.T) {
	p, dir := fake(t, `sleep 60 & echo $! >$dir/pid; wait`)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	folder := t.TempDir()
	err := p.Rehearse(ctx, "podman-compose 1.3.0", modelOf(t, rehearsed), []string{"PATH=" + os.Getenv("PATH"), "dir=" + dir}, folder)
	if err == nil || isRefusal(err) {
		t.Errorf("error %v", err)
	}
	waitGone(t, dir, "pid")
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
