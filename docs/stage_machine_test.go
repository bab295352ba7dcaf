package docs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/lab/machine"
)

// machineFiles are the files in the home of the machine's user: a stack declared by
// plain files.
var machineFiles = map[string]string{
	"~/.config/stackpolicy/config.yaml": `units: [web.service]
stacks:
  web: {compose: [/home/ada/web/compose.yaml], verify: {timeout: 20s, settle: 1s}}
`,
	"~/web/compose.yaml": `services:
  app:
    image: localhost/app:1
`,
	"~/.config/systemd/user/web.service": `[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=60
ExecStartPre=%h/.local/bin/stackctl preflight web
ExecStart=%h/.local/bin/stackctl apply web
ExecStartPost=%h/.local/bin/stackctl verify web

[Install]
WantedBy=default.target
`,
}

// wholeMachine is a machine with podman, in which the stack web runs.
type wholeMachine struct{ *machine.Machine }

func openMachine(ctx context.Context) (stage, error) {
	booted, err := machine.Boot(ctx, machine.Options{})
	if err != nil {
		return nil, err
	}
	m := wholeMachine{booted}
	if err := m.furnish(ctx); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m wholeMachine) furnish(ctx context.Context) error {
	err := errors.Join(m.Image(ctx, machine.Image{Name: "localhost/app:1"}), shipped(m.write))
	for _, program := range []string{"stackpolicy", "stackctl"} {
		_, missing := m.Install(filepath.Join(bin, program))
		err = errors.Join(err, missing)
	}
	for path, text := range machineFiles {
		err = errors.Join(err, m.write(path, text))
	}
	if err != nil {
		return err
	}
	ready := m.run(ctx, `mkdir -p ~/.local/bin
ln -s `+machine.BinDir+`/stackpolicy `+machine.BinDir+`/stackctl ~/.local/bin/
systemctl --user daemon-reload
systemctl --user enable --now podman.socket web.service`)
	if ready.status != 0 {
		return fmt.Errorf("start the stack: %s\n%s", ready.output, m.State(ctx, "web.service"))
	}
	return nil
}

// run runs a script as the machine's user, or as root if each of its commands begins
// with sudo, which the machine does not have.
func (m wholeMachine) run(ctx context.Context, script string) result {
	root, err := allSudo(script)
	if err != nil {
		return result{err.Error(), -1}
	}
	command, head := m.Command, ""
	if root {
		command, head = m.RootCommand, "USER="+machine.User+"\nsudo() { \"$@\"; }\n"
	}
	return finish(command(ctx, "sh", "-euc", head+"cd "+machine.Home+"/stackpolicy\n"+script))
}

// allSudo reports whether each command of a script begins with sudo. A mixture is an
// error.
func allSudo(script string) (bool, error) {
	with, all := 0, 0
	for line := range strings.Lines(strings.ReplaceAll(script, "\\\n", "")) {
		all++
		if strings.HasPrefix(line, "sudo ") {
			with++
		}
	}
	if with != 0 && with != all {
		return false, errors.New("some commands of this block begin with sudo, and some do not; make it two blocks")
	}
	return with > 0, nil
}

func TestAllSudo(t *testing.T) {
	for _, c := range []struct {
		script    string
		want, bad bool
	}{
		{script: "podman ps\nls"},
		{script: "sudo cp a \\\n    b\nsudo ls", want: true},
		{script: "ls\nsudo ls", bad: true},
	} {
		if got, err := allSudo(c.script); got != c.want || (err != nil) != c.bad {
			t.Errorf("%q: %t, %v", c.script, got, err)
		}
	}
}

func (m wholeMachine) write(path, text string) error {
	return m.Write(filepath.Join(machine.Home, strings.TrimPrefix(path, "~/")), text)
}

func (m wholeMachine) close() error { return m.Stop() }
