package nix

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Variables with the paths of public copies of Home Manager (several, as in PATH)
// and of nixpkgs' library (a folder with lib), for the tests that evaluate the
// module with them. Nothing else is needed: packages are replaced by stubs.
const (
	homeManagers = "STACKPOLICY_HOME_MANAGER"
	nixpkgs      = "STACKPOLICY_NIXPKGS"
)

// home is the result of testdata/evaluate.nix.
type home struct {
	Refused      []string
	Warnings     []string
	JobTimeoutMs int
	Files        map[string]struct {
		Force bool
		Text  string
	}
	CheckedBy []string // the packages that check the configuration when it is built
	complaint string   // Nix's own error; then there is no result
}

// module is the text of a Home Manager module, and of the system's configuration, which is
// "" without NixOS. isCross: the programs are for another platform than the build's.
type module struct {
	text, system string
	isCross      bool
}

// eachRelease runs a test with each Home Manager that the environment names. The test
// gets a function that evaluates modules, by name.
func eachRelease(t *testing.T, test func(t *testing.T, evaluate func(map[string]module) map[string]home)) {
	for _, source := range sources(t) {
		tree := layOut(t, os.Getenv(nixpkgs))
		t.Run(filepath.Base(source), func(t *testing.T) {
			test(t, func(modules map[string]module) map[string]home { return evaluateHomes(t, source, tree, modules) })
		})
	}
}

// sources returns the copies of Home Manager, the newest release last.
func sources(t *testing.T) []string {
	t.Helper()
	named := os.Getenv(homeManagers)
	if named == "" || os.Getenv(nixpkgs) == "" {
		t.Skipf("set %s (PATH:PATH…) and %s to evaluate by real ones", homeManagers, nixpkgs)
	}
	return filepath.SplitList(named)
}

// layOut makes a nixpkgs from its library and the stubs.
func layOut(t *testing.T, library string) string {
	t.Helper()
	tree := t.TempDir()
	standIns, err := filepath.Abs("testdata/nixpkgs/nixos")
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"lib": filepath.Join(library, "lib"), "nixos": standIns} {
		if err := os.Symlink(target, filepath.Join(tree, name)); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// evaluateHomes evaluates all modules in one process, and each alone that Nix has an error
// for: only so its text is known.
func evaluateHomes(t *testing.T, source, tree string, modules map[string]module) map[string]home {
	t.Helper()
	var all strings.Builder
	all.WriteString("let try = value: let tried = builtins.tryEval (builtins.deepSeq value value); in if tried.success then tried.value else null; in {\n")
	for name, m := range modules {
		fmt.Fprintf(&all, "%s = try (%s);\n", strconv.Quote(name), m.expression(source, tree))
	}
	all.WriteString("}")
	homes := map[string]home{}
	var got map[string]*home
	if complaint := evaluateInto(t, all.String(), &got); complaint != "" {
		got = map[string]*home{} // an error that Nix cannot catch
	}
	for name, m := range modules {
		if got[name] == nil {
			got[name] = new(home)
			got[name].complaint = evaluateInto(t, m.expression(source, tree), got[name])
		}
		homes[name] = *got[name]
	}
	return homes
}

func (m module) expression(source, tree string) string {
	return fmt.Sprintf("import ./testdata/evaluate.nix { homeManager = %s; nixpkgs = %s; configuration = %s; osConfig = %s; canExecute = %t; }",
		source, tree, m.text, cmp.Or(m.system, "null"), !m.isCross)
}

// evaluateInto evaluates an expression into a value, and returns Nix's error.
func evaluateInto(t *testing.T, expression string, into any) (complaint string) {
	t.Helper()
	store := t.TempDir()
	defer writable(t, store)
	out, said, err := nix(t, nil, "nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode", "--store", store, "--expr", expression)
	if err != nil {
		return said
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatal(err)
	}
	return ""
}

// writable lets the test's clean-up remove read-only files of a store.
func writable(t *testing.T, store string) {
	t.Helper()
	err := filepath.WalkDir(store, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o755)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// accepted fails the test if a home was refused.
func (h home) accepted(t *testing.T, name string) {
	t.Helper()
	if h.complaint != "" || len(h.Refused) > 0 {
		t.Errorf("%s: refused: %q\n%s", name, h.Refused, h.complaint)
	}
}
