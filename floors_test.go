// Package stackpolicy_test tests how the project's packages use each other.
package stackpolicy_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors are groups of packages, lowest first. A package imports only packages of
// lower floors, none of its own floor.
var floors = [][]string{
	{"facts", "finding", "internal/probe", "internal/systemd/wire", "internal/lazyregexp", "internal/glob", "internal/regularfile",
		"internal/text", "internal/diff3", "internal/times", "internal/bounded", "internal/podman/answer"},
	{"internal/output", "internal/openmetrics", "internal/podman/transport"},
	{"internal/accounts", "internal/unitfile", "internal/systemd", "internal/podman", "internal/homemanager", "internal/compose",
		"internal/strictyaml", "internal/sqlite", "internal/agenix",
		"internal/confine", "internal/foreground", "internal/journal", "internal/lock", "internal/atomicfile", "policies", "schemas", "units"},
	{"notify", "applied", "internal/podman/quadlet", "fleet"},
	{"config", "internal/engine", "fleet/overview"},
	{"fleet/authority", "fleet/link", "fleet/streams"},
	{"fleet/broker", "fleet/registry"},
	{"fleet/enroll"},
	{"facts/drift", "facts/blame"},
	{"facts/collect"},
	{"history"},
	{"decide/scope", "fleet/spool"},
	{"decide/policy", "decide/internal/fixture", "fleet/archive", "fleet/courier"},
	{"decide/lint", "fleet/release", "fleet/ingest", "fleet/export"},
	{"decide", "decide/regotest", "decide/query", "fleet/release/oci", "fleet/rollout"},
	{"decide/confined", "decide/remembered"},
	{"enforce", "stack"},
	{"audit", "alerts"},
	{"replay", "explain", "learn", "gate", "watch", "drill", "fleet/alarm"},
	{"report", "fleet/questions"},
	{"report/timeline"},
	{"report/look"},
	{"report/daily", "report/fleet"},
	{"fleet/page"},
	{"cmd/internal/cli"},
	{"cmd/stackpolicy", "cmd/stackctl", "cmd/stackdrill", "cmd/stackfleet"},
}

// wards list, by import path, the only packages that may import it.
var wards = map[string][]string{
	"github.com/open-policy-agent/":  {"decide", "decide/policy", "decide/lint", "decide/regotest", "decide/scope", "decide/query"},
	"github.com/godbus/":             {"internal/systemd"},
	"os/exec":                        {"internal/podman/transport", "internal/podman/quadlet", "internal/compose", "internal/confine", "internal/foreground", "internal/journal", "drill"},
	"github.com/compose-spec/":       {"internal/compose", "internal/engine"},
	"github.com/docker/":             {"internal/engine"},
	"github.com/coreos/go-systemd/":  {"internal/journal"},
	"modernc.org/":                   {"internal/sqlite"},
	"github.com/fsnotify/":           {"watch"},
	"github.com/nats-io/nats-server": {"fleet/broker"},
	"github.com/nats-io/jwt":         {"fleet/authority", "fleet/broker"},
	"github.com/theupdateframework/": {"fleet/release"},
	"github.com/parquet-go/":         {"fleet/export"},
	"oras.land/":                     {"fleet/release/oci"},
	"stackpolicy/lab/":               {"drill"}, // and of it only what has no tests in it
}

func TestFloors(t *testing.T) {
	seen := map[string]bool{}
	for file, imports := range imports(t) {
		pkg := path.Dir(file)
		seen[pkg] = true
		floor := floorOf(pkg)
		if floor < 0 {
			t.Errorf("%s: its package is on no floor; add it to floors in floors_test.go", file)
		}
		for _, i := range imports {
			if lower, ours := strings.CutPrefix(i, "stackpolicy/"); ours && floorOf(lower) >= floor {
				t.Errorf("%s imports %s, which is not on a lower floor", file, i)
			}
			for ward, may := range wards {
				if strings.HasPrefix(i+"/", ward) || strings.HasPrefix(i, ward) {
					if !slices.Contains(may, pkg) {
						t.Errorf("%s imports %s, which only %v may", file, i, may)
					}
				}
			}
		}
	}
	for _, pkg := range slices.Concat(floors...) {
		if !seen[pkg] {
			t.Errorf("floors_test.go names %s, which holds no Go", pkg)
		}
	}
}

func floorOf(pkg string) int {
	return slices.IndexFunc(floors, func(f []string) bool { return slices.Contains(f, pkg) })
}

// imports of every Go file that is shipped: not of tests, of the lab, or of what
// makes packages.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (name == "lab" || name == "packaging" || strings.HasPrefix(d.Name(), ".") && name != ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		found[filepath.ToSlash(name)] = []string{}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			found[filepath.ToSlash(name)] = append(found[filepath.ToSlash(name)], p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
