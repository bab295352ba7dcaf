package machine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// lookTimeout bounds each part of State.
const lookTimeout = 10 * time.Second

// State describes the machine for a test that failed: how the user manager
// has the given units, the end of their journal of this boot and of the user's
// whole one, failed units, the containers, and what an auto-update would do. A part that cannot be had says
// why. It is for people, and never an error.
func (m *Machine) State(ctx context.Context, units ...string) string {
	text := &strings.Builder{}
	if err := m.sync(ctx); err != nil {
		fmt.Fprintf(text, "(the journal may lack the latest: %v)\n", err)
	}
	for _, look := range looks(units) {
		fmt.Fprintf(text, "$ %s\n%s", strings.Join(look, " "), m.look(ctx, look))
	}
	return text.String()
}

// sync waits until journald has written what it was sent.
func (m *Machine) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return m.RootCommand(ctx, "journalctl", "--sync").Run()
}

func looks(units []string) [][]string {
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

func (m *Machine) look(ctx context.Context, argv []string) string {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
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
