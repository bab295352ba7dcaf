package podman

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fake is a podman that runs a shell script. The script finds podman's verb in
// $verb, its other arguments in "$@", and a folder of its own in $dir.
func fake(t *testing.T, script string) Client {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "podman.sh")
	head := "dir=" + dir + "; verb=$1; shift\n"
	if err := os.WriteFile(path, []byte(head+script+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Client{Command: "/bin/sh", Args: []string{path}}
}

func dirOf(client Client) string { return filepath.Dir(client.Args[0]) }

func TestCommand(t *testing.T) {
	for _, version := range []string{"4.3", "5.4"} {
		t.Run(version, func(t *testing.T) {
			samples, err := filepath.Abs("testdata")
			if err != nil {
				t.Fatal(err)
			}
			got, err := fake(t, `echo "$verb $*" >>$dir/calls; cat `+samples+`/$verb-`+version+`.json`).Containers(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, container := range got.Containers {
				names = append(names, container.Name)
			}
			if diff := cmp.Diff([]string{"stack_db_1", "stack_once_1", "stack_web_1"}, names); diff != "" || got.Transport != "command" || !got.Present {
				t.Errorf("transport %q, names (-want +got):\n%s", got.Transport, diff)
			}
		})
	}
}

func TestCommandCalls(t *testing.T) {
	t.Setenv("CONTAINER_HOST", "ssh://elsewhere")
	t.Setenv("CONTAINER_CONNECTION", "elsewhere")
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	client := fake(t, `
		echo "$verb $*" >>$dir/calls
		echo "$LC_ALL/$CONTAINER_HOST$CONTAINER_CONNECTION/$(cat | wc -c)" >>$dir/surroundings
		case $verb in
		ps) echo '[{"Id":"aa"},{"Id":"bb"}]';;
		*) echo '[{"Id":"aa"},{"Id":"bb"}]';;
		esac`)
	if _, err := client.Containers(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "ps --all --no-trunc --format json\ninspect --type container aa bb\n"
	if diff := cmp.Diff(want, written(t, client, "calls")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("C//0\nC//0\n", written(t, client, "surroundings")); diff != "" {
		t.Errorf("LC_ALL / remote / bytes of stdin (-want +got):\n%s", diff)
	}
}

func TestCommandInspectsInChunks(t *testing.T) {
	client := fake(t, `
		case $verb in
		ps) echo "[$(seq -f '{"Id":"%08.0f"}' -s , 2500)]";;
		*) shift 2; echo $# >>$dir/chunks; echo "[$(printf ',{"Id":"%s"}' "$@" | cut -c 2-)]";;
		esac`)
	got, err := client.Containers(t.Context())
	if err != nil || len(got.Containers) != 2500 {
		t.Fatalf("got %d containers, error %v", len(got.Containers), err)
	}
	if diff := cmp.Diff("1000\n1000\n500\n", written(t, client, "chunks")); diff != "" {
		t.Errorf("ids per call (-want +got):\n%s", diff)
	}
}

func TestCommandWithoutContainers(t *testing.T) {
	got, err := fake(t, `[ $verb = ps ] && echo '[]'`).Containers(t.Context())
	if diff := cmp.Diff(Listing{Present: true, Transport: "command"}, got); err != nil || diff != "" {
		t.Errorf("error %v, listing (-want +got):\n%s", err, diff)
	}
}

func TestCommandFails(t *testing.T) {
	const list = `[ $verb = ps ] && { echo '[{"Id":"aa"}]'; exit; }; `
	tests := map[string]struct{ script, want string }{
		"says why":          {`printf 'Error: \033 storage\n' >&2; exit 1`, `podman ps: exit status 1: "Error: \x1b storage"`},
		"says a lot":        {`yes 'much ado' | head -n 100000 >&2; echo last >&2; exit 1`, `last"`},
		"prints nothing":    {``, "answer is empty"},
		"prints garbage":    {`echo oops`, "malformed JSON"},
		"output cut":        {list + `printf '[{"Id":"aa"'`, "inspect containers: answer is malformed JSON"},
		"killed":            {`kill -9 $$`, "signal: killed"},
		"leaves one out":    {list + `echo '[]'`, "aa was asked for and left out"},
		"vanishes for ever": {list + `echo 'no such container aa' >&2; exit 125`, "vanished"},
		"ps output endless": {`trap '' PIPE; exec yes 2>/dev/null`, "longer than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := fake(t, test.script).Containers(t.Context())
			wantError(t, err, test.want)
			wantError(t, err, "podman command")
			if got.Present || len(err.Error()) > 8<<10 {
				t.Errorf("got %+v and an error of %d bytes", got, len(err.Error()))
			}
		})
	}
}

func TestCommandIsNotThere(t *testing.T) {
	_, err := Client{Command: filepath.Join(t.TempDir(), "podman")}.Containers(t.Context())
	wantError(t, err, "no such file")
}

func TestCommandBeginsAgain(t *testing.T) {
	for _, verb := range []string{"ps", "inspect"} {
		for failures := range attempts + 1 {
			t.Run(verb+" fails "+strconv.Itoa(failures)+" times", func(t *testing.T) {
				client := fake(t, `
					if [ $verb = `+verb+` ]; then
						echo x >>$dir/count
						[ $(wc -l <$dir/count) -gt `+strconv.Itoa(failures)+` ] || { echo 'Error: no such container bb' >&2; echo '[]'; exit 125; }
					fi
					echo '[{"Id":"aa"}]'`)
				got, err := client.Containers(t.Context())
				if failures == attempts {
					wantError(t, err, "no such container bb")
				} else if err != nil || len(got.Containers) != 1 {
					t.Errorf("got %+v, error %v", got, err)
				}
				if tries, want := strings.Count(written(t, client, "count"), "x"), min(failures+1, attempts); tries != want {
					t.Errorf("%s ran %d times, want %d", verb, tries, want)
				}
			})
		}
	}
}

func TestCommandHangs(t *testing.T) {
	tests := map[string]string{
		"itself":                        `echo $$ >$dir/pid; trap '' TERM INT HUP; while :; do sleep 60; done`,
		"with a child":                  `sleep 60 & echo $! >$dir/pid; echo '['; wait`,
		"with a child out of its group": `setsid sleep 60 & echo $! >$dir/free; echo $$ >$dir/pid; wait`,
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := fake(t, script)
			t.Cleanup(func() { kill(client, "free") })
			got, err := within(t, 400*time.Millisecond, client)
			wantError(t, err, "podman ps: context deadline exceeded")
			if got.Present {
				t.Errorf("got %+v", got)
			}
			waitGone(t, client, "pid")
		})
	}
}

func TestCommandLeavesOutputOpen(t *testing.T) {
	client := fake(t, `[ $verb = ps ] && { setsid sleep 60 & echo $! >$dir/free; echo '[{"Id":"aa"}]'; exit; }; echo '[{"Id":"aa"}]'`)
	t.Cleanup(func() { kill(client, "free") })
	got, err := within(t, 5*time.Second, client)
	if err != nil || len(got.Containers) != 1 {
		t.Errorf("got %+v, error %v; want aa", got, err)
	}
	if err := syscall.Kill(pidIn(client, "free"), 0); err != nil {
		t.Errorf("what the command left behind when it ended well was killed: %v", err)
	}
}

// written is what a script left in a file of its folder.
func written(t *testing.T, client Client, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dirOf(client), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// pidIn is the process id that a script wrote down, or 0.
func pidIn(client Client, name string) int {
	data, _ := os.ReadFile(filepath.Join(dirOf(client), name))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	return pid
}

func kill(client Client, name string) {
	if pid := pidIn(client, name); pid > 1 {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// waitGone waits until a process the script wrote down has ended: killed, and
// perhaps not yet waited for by whoever inherited it.
func waitGone(t *testing.T, client Client, name string) {
	t.Helper()
	pid := pidIn(client, name)
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
