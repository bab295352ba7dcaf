package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"stackpolicy/lab/scene"
)

const webUnit = scene.UnitDir + "/web.service"

// A step prints its title, does something, and audits. exit is the exit status that the
// audit must have.
type step struct {
	title string
	do    func(context.Context, *scene.Scene) error
	eval  []string
	exit  int
}

var steps = []step{
	{
		title: "Three stacks are linked as Home Manager links them, and run.",
		exit:  0,
	},
	{
		title: "1. A restart \"succeeds\" although the stack is down: systemctl reports active,\n   but a container of files.service has ended with status 137.",
		do:    restartSucceeds,
		exit:  2,
	},
	{
		title: "The container runs again. 2. The manager runs an older definition: a new\n   web.service is linked, nobody reloads, and NeedDaemonReload= is no.",
		do:    staleUnit,
		exit:  1,
	},
	{
		title: "3. A unit file is replaced: someone wrote a local feeds.service over the link,\n   and a drop-in for it into /etc.",
		do:    replaceUnit,
		exit:  2,
	},
	{
		title: "With --enforce it heals nothing: a reload would load the local file as well.",
		eval:  []string{"--enforce"},
		exit:  2,
	},
	{
		title: "The operator removes the local file and the drop-in, and activates again.",
		do:    putBack,
		exit:  1,
	},
	{
		title: "Now the reload is safe. It is done, and a second audit confirms it.",
		eval:  []string{"--enforce"},
		exit:  0,
	},
	{
		title: "And the next audit:",
		exit:  0,
	},
}

func walk(ctx context.Context, s *scene.Scene) error {
	for _, st := range steps {
		fmt.Printf("\n%s\n", emphasis(st.title))
		if st.do != nil {
			if err := st.do(ctx, s); err != nil {
				return err
			}
		}
		if err := audit(ctx, s, st); err != nil {
			return err
		}
	}
	fmt.Println("\nEvery audit ended with the expected status. The manager and all its files are removed.")
	return nil
}

// audit runs stackpolicy eval with this terminal as its output, so that the table looks as
// it does for an operator.
func audit(ctx context.Context, s *scene.Scene, st step) error {
	args := append([]string{"eval"}, st.eval...)
	show("stackpolicy " + strings.Join(args, " "))
	cmd := s.Command(ctx, append([]string{"stackpolicy"}, args...)...)
	cmd.Env = append(cmd.Env, "TERM="+os.Getenv("TERM"), "NO_COLOR="+os.Getenv("NO_COLOR"))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		return err
	}
	if got := cmd.ProcessState.ExitCode(); got != st.exit {
		return fmt.Errorf("stackpolicy %s: exit status %d, want %d", strings.Join(args, " "), got, st.exit)
	}
	fmt.Printf("(exit status %d)\n", st.exit)
	return nil
}

// show prints a command as an operator would type it, and its output.
func show(command string, output ...string) {
	fmt.Println(emphasis("$ " + command))
	for _, o := range output {
		fmt.Println(o)
	}
}

func emphasis(text string) string {
	if !term.IsTerminal(int(os.Stdout.Fd())) || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}

func restartSucceeds(ctx context.Context, s *scene.Scene) error {
	containers := scene.Containers()
	for i := range containers {
		if containers[i].Name == "files-app-1" {
			containers[i].State, containers[i].ExitCode, containers[i].Health = "exited", 137, ""
		}
	}
	if err := s.Podman(containers...); err != nil {
		return err
	}
	if _, err := s.Systemctl(ctx, "restart", "files.service"); err != nil {
		return err
	}
	state, err := s.Systemctl(ctx, "is-active", "files.service")
	show("systemctl --user restart files.service && systemctl --user is-active files.service", state)
	return err
}

func replaceUnit(ctx context.Context, s *scene.Scene) error {
	if err := s.Write(s.Unit("feeds.service"), scene.StackUnit("feeds.service", "local")); err != nil {
		return err
	}
	return s.Etc("feeds.service.d/override.conf", "[Service]\nEnvironment=DEBUG=1\n")
}

func staleUnit(ctx context.Context, s *scene.Scene) error {
	if err := s.Podman(scene.Containers()...); err != nil {
		return err
	}
	if err := s.Activate(map[string]string{webUnit: scene.StackUnit("web.service", "second")}); err != nil {
		return err
	}
	need, err := s.Systemctl(ctx, "show", "--property=Description,NeedDaemonReload", "web.service")
	show("systemctl --user show --property=Description,NeedDaemonReload web.service", need)
	return err
}

func putBack(ctx context.Context, s *scene.Scene) error {
	for _, path := range []string{s.Unit("feeds.service"), s.Path("/etc/systemd/user/feeds.service.d/override.conf")} {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return s.Activate(map[string]string{webUnit: scene.StackUnit("web.service", "second")})
}
