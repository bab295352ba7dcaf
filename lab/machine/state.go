package machine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// commandTimeout bounds each command of State.
const commandTimeout = 10 * time.Second

// State describes the machine for a test that has failed: the properties of the given
// units, the last journal entries of these units and of the user since the boot, the
// failed units, the containers, and what an auto-update would do. If a command fails, the
// text says why.
func (m *Machine) State(ctx context.Context, units ...string) string {
	text := &strings.Builder{}
	if err := m.sync(ctx); err != nil {
		fmt.Fprintf(text, "(the journal may lack the latest: %v)\n", err)
	}
	for _, command := range stateCommands(units) {
		fmt.Fprintf(text, "$ %s\n%s", strings.Join(command, " "), m.output(ctx, command))
	}
	return text.String()
}

// sync waits until journald has written everything that it received.
func (m *Machine) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	return m.RootCommand(ctx, "journalctl", "--sync").Run()
}

func stateCommands(units []string) [][]string {
	journal := []string{"journalctl", "--user", "--boot", "--no-pager", "--lines=100", "--output=short-precise"}
	var list [][]string
	if len(units) > 0 {
		show := []string{
			"systemctl", "--user", "show",
			"--property=Id,FragmentPath,DropInPaths,NeedDaemonReload,ActiveState,SubState,Result,ExecMainStatus", "--",
		}
		list = append(list, append(show, units...))
	}
	for _, unit := range units {
		list = append(list, append(slices.Clone(journal), "--unit="+unit))
	}
	return append(list, journal,
		[]string{"systemctl", "--user", "--no-pager", "--plain", "--failed", "list-units"},
		[]string{"podman", "ps", "--all"},
		[]string{"podman", "auto-update", "--dry-run"})
}

func (m *Machine) output(ctx context.Context, argv []string) string {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	out, err := m.Command(ctx, argv...).CombinedOutput()
	text := string(out)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if err != nil {
		text += fmt.Sprintf("(%v)\n", err)
	}
	return text
}
