package main

import (
	"testing"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/machine"
)

// TestSample prepares a machine of each suite and does what the hint says. At first there
// is no finding, a container that is gone is a page, and a restart mends it.
func TestSample(t *testing.T) {
	for _, suite := range debian.Suites() {
		t.Run(suite, func(t *testing.T) {
			if err := machine.Available(machine.Options{Suite: suite}); err != nil {
				t.Skip("no machine can be booted here: ", err)
			}
			t.Parallel()
			m, err := machine.Boot(t.Context(), machine.Options{Suite: suite})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := m.Stop(); err != nil {
					t.Error(err)
				}
			})
			if err := prepare(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			check(t, m)
		})
	}
}

// explained checks that explain says what changed before the container was killed, and shows
// the logs of the unit and of the container.
const explained = `stackpolicy explain web.service stack_running > explained.txt; cat explained.txt
grep 'container web_app_1: exited' explained.txt && grep -A 1 'last log lines of web.service' explained.txt | grep ' 20..-..-.. ' &&
grep 'last log lines of container web_app_1' explained.txt && ! grep 'cannot be read' explained.txt`

func check(t *testing.T, m *machine.Machine) {
	t.Helper()
	steps := []struct {
		command string
		status  int
	}{
		{"stackctl status", 0},
		{"stackpolicy eval", 0},
		{"curl --silent --fail --max-time 5 http://127.0.0.1:8080/", 0},
		{"podman kill web_app_1 && podman wait web_app_1", 0},
		{"stackpolicy eval", 2},
		{explained, 0},
		{"systemctl --user restart web.service", 0},
		{"stackpolicy eval", 0},
		{spoil, 0},
		{"stackpolicy eval", 1},
		{"stackpolicy explain web.service", 1},
	}
	for _, step := range steps {
		cmd := m.Command(t.Context(), "sh", "-c", step.command)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != step.status {
			t.Fatalf("%s: %v, want status %d\n%s%s", step.command, err, step.status, out, m.State(t.Context(), stackUnit))
		}
	}
}

func TestRunRefusesBadArguments(t *testing.T) {
	for _, args := range [][]string{{"trixie", "bookworm"}, {"../trixie"}, {"--help"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}
