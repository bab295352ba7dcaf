package drill

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/lab/machine"
)

// TestAnOrdinaryUser checks that an ordinary user of a real machine can drill: in a scope of its
// own, with nothing changed outside of the sandbox. The machine has podman's generator of
// quadlets.
func TestAnOrdinaryUser(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a machine")
	}
	if err := machine.Available(machine.Options{}); err != nil {
		t.Skip("no machine can be booted here: ", err)
	}
	drillProgram := filepath.Join(t.TempDir(), "stackdrill")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", drillProgram, "stackpolicy/cmd/stackdrill").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m, err := machine.Boot(t.Context(), machine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, path := range []string{program, drillProgram} {
		if _, err := m.Install(path); err != nil {
			t.Fatal(err)
		}
	}
	only := "in-order,right-held,right-own-unit,stale-unit,link-gone,store-path-gone,dropin-of-system,refused-quadlet,no-linger,ghost,stopped,manager-gone"
	cmd := m.Command(t.Context(), "stackpolicy", "drill", "-o", "json", "--only", only)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	var r Result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("status %d, no result: %v\n%s%s", cmd.ProcessState.ExitCode(), err, out.String(), errs.String())
	}
	if r.ExitCode != StatusGood || cmd.ProcessState.ExitCode() != StatusGood || len(r.Rows) != len(strings.Split(only, ",")) {
		t.Errorf("exit status %d\n%s", r.ExitCode, text80(t, r))
	}
	left, err := m.Command(t.Context(), "sh", "-c", "ls -d /tmp/stackpolicy-lab-* 2>/dev/null; find /sys/fs/cgroup -name 'stackpolicy-lab-*'").Output()
	if len(left) > 0 {
		t.Errorf("left behind: %s (%v)", left, err)
	}
}
