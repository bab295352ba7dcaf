package docs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackpolicy/lab/machine"
	"stackpolicy/lab/usermanager"
)

// stage is the place where the commands of a page run, as a reader would run them: in
// the project's folder, with the programs installed.
type stage interface {
	run(ctx context.Context, script string) result
	write(path, text string) error // ~/ is the home
	close() error
}

// result has the output of a script, stdout and stderr, and its exit status: -1 if it
// did not run or did not end in time.
type result struct {
	output string
	status int
}

// kind is a kind of stage. absent returns why this machine cannot have it, or nil.
type kind struct {
	absent func() error
	open   func(context.Context) (stage, error)
}

// The stages, from the cheapest to the most complete.
const (
	stageHome    = "home"         // an empty home, and no user manager
	stageManager = "user manager" // a real one, with sample stacks that are linked and run
	stageMachine = "machine"      // a whole machine, with podman, a journal, logins and the stack web
)

func kinds() map[string]kind {
	return map[string]kind{
		stageHome:    {func() error { return nil }, openHome},
		stageManager: {func() error { return usermanager.Available(usermanager.Options{}) }, openManager},
		stageMachine: {func() error { return machine.Available(machine.Options{}) }, openMachine},
	}
}

// stage returns the stage that the block names, or the cheapest that its commands
// need.
func (b block) stage() string {
	if named := b.marks[markStage]; named != "" {
		return named
	}
	for _, need := range []struct{ word, stage string }{
		{"sudo ", stageMachine}, {"journalctl ", stageMachine}, {"loginctl ", stageMachine},
		{"podman", stageMachine}, {"stackctl ", stageMachine}, {"systemctl ", stageManager},
	} {
		if b.marks[markFile] == "" && strings.Contains(b.script(), need.word) {
			return need.stage
		}
	}
	return stageHome
}

func TestStageOfABlock(t *testing.T) {
	for text, want := range map[string]string{
		"stackpolicy policy copy ~/rules\n":             stageHome,
		"systemctl --user daemon-reload\n":              stageManager,
		"systemctl --user restart web\n":                stageManager,
		"systemctl --user stop a\nsudo journalctl -x\n": stageMachine,
	} {
		if got := (block{lang: "sh", text: text}).stage(); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	named := block{lang: "sh", text: "stackpolicy eval", marks: map[string]string{markStage: stageManager}}
	if got := named.stage(); got != stageManager {
		t.Errorf("named: %s", got)
	}
}

// finish runs a command to its end.
func finish(cmd *exec.Cmd) result {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return result{out.String(), exit.ExitCode()}
	case err != nil:
		return result{out.String() + err.Error(), -1}
	}
	return result{out.String(), 0}
}

// home is a scratch folder with an empty home and no user manager. Beside it is a
// folder of links to the project's files, so that a page does not change the project.
type home struct {
	dir   string
	goEnv []string
}

func openHome(ctx context.Context) (stage, error) {
	dir, err := os.MkdirTemp("", "stackpolicy-docs-home-")
	if err != nil {
		return nil, err
	}
	h := home{dir: dir}
	h.goEnv, err = goEnvironment(ctx)
	if err = errors.Join(err, os.Mkdir(h.home(), 0o755), os.Mkdir(h.project(), 0o755), h.link()); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h home) home() string    { return filepath.Join(h.dir, "home") }
func (h home) project() string { return filepath.Join(h.dir, "stackpolicy") }

func (h home) link() error {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(root)
	for _, e := range entries {
		err = errors.Join(err, os.Symlink(filepath.Join(root, e.Name()), filepath.Join(h.project(), e.Name())))
	}
	return err
}

func (h home) run(ctx context.Context, script string) result {
	cmd := exec.CommandContext(ctx, "sh", "-euc", script)
	cmd.Dir = h.project()
	cmd.Env = append(slices.Clone(h.goEnv),
		"HOME="+h.home(), "USER=ada", "TERM=dumb", "LANG=C.UTF-8", "TMPDIR="+os.TempDir(),
		"PATH="+bin+":"+os.Getenv("PATH"), "XDG_RUNTIME_DIR="+filepath.Join(h.dir, "nowhere"),
		"DBUS_SESSION_BUS_ADDRESS=", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return finish(cmd)
}

// goEnvironment lets go use its caches although HOME differs.
func goEnvironment(ctx context.Context) (env []string, err error) {
	names := []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOSUMDB", "GOTOOLCHAIN", "GOFLAGS", "CGO_ENABLED"}
	out, err := exec.CommandContext(ctx, "go", append([]string{"env"}, names...)...).Output()
	values := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if err == nil && len(values) != len(names) {
		err = fmt.Errorf("%d values of %d", len(values), len(names))
	}
	if err != nil {
		return nil, fmt.Errorf("ask go for its environment: %w", err)
	}
	for i, value := range values {
		env = append(env, names[i]+"="+value)
	}
	return env, nil
}

func (h home) write(path, text string) error {
	path = filepath.Join(h.home(), strings.TrimPrefix(path, "~/"))
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
}

func (h home) close() error { return os.RemoveAll(h.dir) }
