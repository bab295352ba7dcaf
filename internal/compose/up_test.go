package compose

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// fake is a provider that runs a shell script, which finds a folder of its own
// in $dir.
func fake(t *testing.T, script string) (Provider, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "provider.sh")
	write(t, path, "dir="+dir+"\n"+script+"\n")
	return Provider{Argv: []string{"/bin/sh", path}}, dir
}

func TestUpCalls(t *testing.T) {
	tests := map[string]struct {
		up   Up
		want string
	}{
		"plain":    {Up{Project: "web", Files: []string{"/a.yaml"}}, "-p web -f /a.yaml up -d --remove-orphans"},
		"files":    {Up{Project: "web", Files: []string{"/a.yaml", "/b.yaml"}}, "-p web -f /a.yaml -f /b.yaml up -d --remove-orphans"},
		"no pod":   {Up{Project: "web", Files: []string{"/a.yaml"}, NoPod: true}, "-p web --in-pod=false -f /a.yaml up -d --remove-orphans"},
		"recreate": {Up{Project: "web", Files: []string{"/a.yaml"}, Recreate: true}, "-p web -f /a.yaml up -d --remove-orphans --force-recreate"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, dir := fake(t, `echo "$*" >$dir/args`)
			if err := p.Up(t.Context(), test.up); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want+"\n", read(t, dir, "args")); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUpSurroundings(t *testing.T) {
	p, dir := fake(t, `{ env | grep -v '^\(PWD\|SHLVL\|_\|OLDPWD\)=' | sort; pwd; wc -c; } >$dir/seen`)
	home := t.TempDir()
	environ := []string{
		"PATH=" + os.Getenv("PATH"), "TAG=1", "LC_ALL=de_DE.UTF-8", "CONTAINER_HOST=ssh://elsewhere", "CONTAINER_CONNECTION=elsewhere",
		"COMPOSE_PROJECT_DIR=/elsewhere", "PODMAN_SYSTEMD_UNIT=other.service", "PYTHONUNBUFFERED=",
	}
	for name, test := range map[string]struct{ unit, dir, want string }{
		"unit":    {"web.service", "", "PODMAN_SYSTEMD_UNIT=web.service\n"},
		"no unit": {"", "", "PODMAN_SYSTEMD_UNIT=other.service\n"},
	} {
		t.Run(name, func(t *testing.T) {
			up := Up{Project: "web", Files: []string{home + "/c.yaml"}, Environ: environ, Unit: test.unit}
			if err := p.Up(t.Context(), up); err != nil {
				t.Fatal(err)
			}
			want := "LC_ALL=C.UTF-8\nPATH=" + os.Getenv("PATH") + "\nPODMAN_COMPOSE_WARNING_LOGS=false\n" + test.want + "PYTHONUNBUFFERED=1\nTAG=1\n" + home + "\n0\n"
			if diff := cmp.Diff(want, read(t, dir, "seen")); diff != "" {
				t.Errorf("environment, folder, bytes of stdin (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUpFails(t *testing.T) {
	tests := map[string]struct {
		script string
		want   []string
	}{
		"says why":        {`echo Traceback >&2; echo 'RuntimeError: missing networks: n' >&2; echo; exit 1`, []string{"exit status 1", `"RuntimeError: missing networks: n"`}},
		"says nothing":    {`exit 3`, []string{"up: exit status 3"}},
		"escapes":         {`printf '\033[2J\n'; exit 1`, []string{`"\x1b[2J"`}},
		"killed":          {`kill -9 $$`, []string{"signal: killed"}},
		"no start in 1.0": {`echo 'podman start t_a_1'; echo 'exit code: 125'`, []string{"a container did not start", "podman start t_a_1: exit code: 125"}},
		"no start in 1.3": {`echo 'Error: unable to start container "34": address in use' >&2`, []string{"a container did not start", "address in use"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, _ := fake(t, test.script)
			wantError(t, p.Up(t.Context(), Up{Project: "t"}), append(test.want, "provider.sh up: ")...)
		})
	}
}

func TestUpDoesNotFail(t *testing.T) {
	tests := map[string]string{
		"container exists, 1.0": `echo 'Error: the container name "t_a_1" is already in use' >&2; echo 'exit code: 125'; echo 'podman start t_a_1'; echo 'exit code: 0'`,
		"container exists, 1.3": `echo 'Error: the container name "t_a_1" is already in use' >&2; echo t_a_1`,
		"service added, 1.0":    `echo 'podman stop t_b_1'; echo 'Error: no container with name or ID "t_b_1" found' >&2; echo 'exit code: 125'; echo 'podman run --name=t_b_1'; echo 12ab; echo 'exit code: 0'`,
		"service added, 1.3":    `echo 'Error: no container with name or ID "t_b_1" found: no such container'; echo 123; echo t_b_1`,
		"other exit codes":      `echo 'podman stop t_a_1'; echo 'exit code: 125'`,
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			p, _ := fake(t, script)
			if err := p.Up(t.Context(), Up{Project: "t"}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUpIsNotThere(t *testing.T) {
	err := Provider{Argv: []string{"/nosuch/provider"}}.Up(t.Context(), Up{Project: "t"})
	wantError(t, err, "/nosuch/provider up: ", "no such file")
}

func TestUpOutput(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	tests := map[string]struct {
		script string
		want   []string
	}{
		"nothing":         {``, nil},
		"both in order":   {`echo 1; echo 2 >&2; echo 3; echo 4 >&2`, []string{"1", "2", "3", "4"}},
		"no newline":      {`printf end`, []string{"end"}},
		"empty lines":     {`echo; echo`, []string{"", ""}},
		"carriage return": {`printf 'a\rb\r\n'`, []string{"a\rb"}},
		"control":         {`printf '\033[1m\000\n'`, []string{"\x1b[1m\x00"}},
		"not UTF-8":       {`printf '\377\n'`, []string{"\uFFFD"}},
		"longest":         {`printf '%8192s\n' | tr ' ' x`, []string{long}},
		"too long":        {`printf '%100000s\n' | tr ' ' x; echo next`, []string{long + "…(cut)", "next"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			p, _ := fake(t, test.script)
			err := p.Up(t.Context(), Up{Project: "t", Output: func(line string) { got = append(got, line) }})
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("error %v, lines (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestUpOutputIsBounded(t *testing.T) {
	size, last := 0, ""
	p, _ := fake(t, `yes 'much ado about nothing' | head -c 20000000; echo; echo done; exit 1`)
	err := p.Up(t.Context(), Up{Project: "t", Output: func(line string) {
		size += len(line) + 1
		last = line
		if !utf8.ValidString(line) {
			t.Errorf("%q is not UTF-8", line)
		}
	}})
	wantError(t, err, "exit status 1", `"done"`)
	if size > maxOutput+1000 || size < maxOutput-1000 || !strings.Contains(last, "the rest is left out") {
		t.Errorf("got %d bytes, the last %q", size, last)
	}
}

func TestUpIsStopped(t *testing.T) {
	tests := map[string]struct {
		script string
		grace  time.Duration
		want   string
	}{
		"itself":                  {`echo $$ >$dir/pid; echo up; exec sleep 60`, 10 * time.Second, "stopped by SIGTERM: asked to stop"},
		"with a child":            {`sleep 60 & echo $! >$dir/pid; echo up; wait`, 10 * time.Second, "stopped by SIGTERM"},
		"child ends later":        {`sh -c 'trap "sleep 0.2; echo tidy >'$dir'/tidy; exit" TERM; echo $$ >'$dir'/pid; echo up; while :; do sleep 0.05; done' & wait`, 10 * time.Second, "stopped by SIGTERM"},
		"deaf":                    {`trap '' TERM INT HUP; echo $$ >$dir/pid; echo up; while :; do sleep 60; done`, 100 * time.Millisecond, "killed by SIGKILL, 100ms after SIGTERM"},
		"with a deaf child":       {`sh -c 'trap "" TERM; echo $$ >'$dir'/pid; echo up; while :; do sleep 60; done' & wait`, 100 * time.Millisecond, "killed by SIGKILL"},
		"endless output":          {`echo $$ >$dir/pid; echo up; exec yes`, 10 * time.Second, "stopped by SIGTERM"},
		"ends well when stopped":  {`trap 'exit 1' TERM; echo $$ >$dir/pid; echo up; while :; do sleep 0.05; done`, 10 * time.Second, "stopped by SIGTERM"},
		"child out of its group":  {`setsid sleep 60 & echo $! >$dir/free; echo $$ >$dir/pid; echo up; wait`, 10 * time.Second, "stopped by SIGTERM"},
		"podman at work":          {`cp /bin/sh $dir/podman; $dir/podman -c 'echo $$ >'$dir'/pid; echo up; sleep 2; echo tidy >'$dir'/tidy' & wait`, 10 * time.Second, "stopped by SIGTERM"},
		"podman that hangs":       {`cp /bin/sh $dir/podman; $dir/podman -c 'echo $$ >'$dir'/pid; echo up; sleep 60; :' & wait`, 400 * time.Millisecond, "stopped by SIGTERM"},
		"podman compose":          {`cp /bin/sh $dir/podman; exec $dir/podman -c 'echo $$ >'$dir'/pid; echo up; sleep 60; :'`, 10 * time.Second, "stopped by SIGTERM"},
		"output held by the rest": {`setsid sleep 60 & echo $! >$dir/free; echo $$ >$dir/pid; echo up; exec sleep 60`, 10 * time.Second, "stopped by SIGTERM"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, dir := fake(t, test.script)
			t.Cleanup(func() { kill(dir, "free") })
			cause := errors.New("asked to stop")
			ctx, cancel := context.WithCancelCause(t.Context())
			begun := time.Now()
			err := p.Up(ctx, Up{Project: "t", Grace: test.grace, Output: func(string) { cancel(cause) }, Environ: os.Environ()})
			wantError(t, err, test.want)
			if !errors.Is(err, cause) || time.Since(begun) > 20*time.Second {
				t.Errorf("error %v after %v", err, time.Since(begun))
			}
			waitGone(t, dir, "pid")
			if strings.Contains(test.script, "tidy") && read(t, dir, "tidy") != "tidy\n" {
				t.Error("what the provider ran was not given the time to end well")
			}
		})
	}
}

func TestUpLeavesAlone(t *testing.T) {
	p, dir := fake(t, `setsid sleep 60 & echo $! >$dir/free; sleep 60 & echo $! >$dir/pid; echo up`)
	t.Cleanup(func() { kill(dir, "free"); kill(dir, "pid") })
	begun := time.Now()
	if err := p.Up(t.Context(), Up{Project: "t", Environ: os.Environ()}); err != nil || time.Since(begun) > 20*time.Second {
		t.Errorf("error %v after %v", err, time.Since(begun))
	}
	for _, name := range []string{"free", "pid"} {
		if err := syscall.Kill(pidIn(dir, name), 0); err != nil {
			t.Errorf("what the provider left behind when it ended well was killed: %v", err)
		}
	}
}

func TestUpIsNotBegun(t *testing.T) {
	p, dir := fake(t, `touch $dir/begun`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, p.Up(ctx, Up{Project: "t"}), "not begun: context canceled")
	if _, err := os.Stat(dir + "/begun"); err == nil {
		t.Error("the provider ran")
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// pidIn is the process id that a script wrote down, or 0.
func pidIn(dir, name string) int {
	data, _ := os.ReadFile(filepath.Join(dir, name))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	return pid
}

func kill(dir, name string) {
	if pid := pidIn(dir, name); pid > 1 {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// waitGone waits until a process the script wrote down has ended: killed, and
// perhaps not yet waited for by whoever inherited it.
func waitGone(t *testing.T, dir, name string) {
	t.Helper()
	pid := pidIn(dir, name)
	if pid == 0 {
		t.Fatal("the script did not get as far as its process id")
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if errors.Is(err, os.ErrNotExist) || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("process %d still runs", pid)
}

// That a provider is doomed is told once: it is not waited for for ever.
func TestDoomedIsToldOnce(t *testing.T) {
	told := 0
	f := failures{doomed: func() { told++ }}
	for range 2 {
		f.read(`Error: unable to start container "34": address in use`)
	}
	if told != 1 || f.certain == "" {
		t.Errorf("told %d times, certain %q", told, f.certain)
	}
}
