// Package matrix tests what can go wrong with stacks of containers. Each scenario is a
// transcript in testdata. It causes one fault on a real machine, and checks that the fault
// is found, prevented or undone. Every scenario has its own machine, of each Debian release.
//
// Start at any transcript, such as testdata/stale_unit.txtar. The folder config holds what
// the machine's user declares to Home Manager, as files of ~/.config: three stacks, and how
// they are verified. In addition to the commands of testscript, a transcript may use
//
//	user CMD…, root CMD…        run a command in the machine; with ! it must fail
//	status N CMD…               expect this exit status
//	until SECONDS CMD…          run it as the user until it succeeds
//	audit N [FINDING…]          expect this exit status of stackpolicy eval, and
//	                            exactly these findings (invariant, subject,
//	                            severity, case)
//	declare PATH [FILE]         change what the user declares
//	activate, relink [FORCED…]  have Home Manager link it, with or without a reload
//	write PATH FILE             write a file of the transcript into the machine
//	image NAME VERSION [CMD…]   make an image that serves its version
//	registry, reboot            start the registry; cut the power and boot
//	follow INVARIANT SUBJECT CASE [N COMMAND…]
//	                            do what the steps of a finding say, as they are
//	                            printed; COMMAND is what step N leaves to a person
//	database                    make web a stack whose database notices what happens
//	                            to its data, which kept then reports
//
// go run ./lab/matrix/run runs all of them on both releases and shows a table.
package matrix

import (
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/machine"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"user": user, "root": root, "until": until})
}

// TestMatrix runs every scenario on every release; -parallel bounds how many
// machines there are at once.
func TestMatrix(t *testing.T) {
	programs := build(t)
	for _, suite := range []string{debian.Trixie, debian.Bookworm} {
		t.Run(suite, func(t *testing.T) {
			if err := machine.Available(machine.Options{Suite: suite}); err != nil {
				t.Skip("no machine can be booted here: ", err)
			}
			if _, err := debian.Cached(t.Context(), suite); err != nil { // takes longer than a boot may
				t.Fatal(err)
			}
			deadline, _ := t.Deadline()
			testscript.Run(t, testscript.Params{
				Files:              scenarios(t, suite),
				Deadline:           deadline,
				RequireUniqueNames: true,
				Setup:              func(e *testscript.Env) error { return prepare(e, suite, programs) },
				Condition:          isSuite(suite),
				Cmds:               commands,
			})
		})
	}
}

// bothReleases are the scenarios whose result may depend on podman's version. The others
// run on trixie only, and with STACKPOLICY_LAB_EACH=1 on both: lab/proof tests what depends
// on systemd's version.
var bothReleases = []string{
	"apply_and_verify", "auto_update_labels", "compose_run", "flapping_container", "one_shots", "operators_facts", "storage",
}

// onlyEach are the beginnings of the names of scenarios that take minutes, follow_podman among
// them, or of which lab/proof tests most, gate among them. They run only with STACKPOLICY_LAB_EACH=1.
var onlyEach = []string{"follow_folders", "follow_podman", "follow_stacks", "follow_unchecked", "foreign_dropin", "gate", "local_file_identical", "machine_steps", "plain_files", "stackctl_", "stale_unit", "verify_too_late"}

func scenarios(t *testing.T, suite string) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scenarios: %v", len(files), err)
	}
	if debian.Each() {
		return files
	}
	return slices.DeleteFunc(files, func(file string) bool {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		isSlow := slices.ContainsFunc(onlyEach, func(begin string) bool { return strings.HasPrefix(name, begin) })
		return isSlow || suite != debian.Trixie && !slices.Contains(bothReleases, name)
	})
}

// build compiles the programs under test, without cgo, so that they run on any release.
func build(t *testing.T) (programs []string) {
	t.Helper()
	dir := t.TempDir()
	for _, source := range []string{"cmd/stackpolicy", "cmd/stackctl", "lab/matrix/verifycost", "lab/matrix/home-manager"} {
		program := filepath.Join(dir, path.Base(source))
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, "stackpolicy/"+source)
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", source, err, out)
		}
		programs = append(programs, program)
	}
	return append(programs, "../../nix/machine-steps.sh")
}
