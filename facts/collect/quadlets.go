package collect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"stackpolicy/facts"
	"stackpolicy/facts/drift"
	"stackpolicy/internal/podman/quadlet"
	"stackpolicy/internal/systemd"
)

// QuadletChecker knows from which quadlets podman's generator, the program at the given
// path, makes no unit. It must respect its context.
type QuadletChecker interface {
	Refusals(ctx context.Context, e Environment, program string, sources []string) (map[string]quadlet.Refusal, error)
}

// generator runs podman's generator.
type generator struct{}

func (generator) Refusals(ctx context.Context, e Environment, program string, sources []string) (map[string]quadlet.Refusal, error) {
	return quadlet.Generator{Path: program, Env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + e.Home, "XDG_CONFIG_HOME=" + e.ConfigHome, "XDG_RUNTIME_DIR=" + e.RuntimeDir,
	}}.Refusals(ctx, sources)
}

// quadletsLimit bounds the generator. It reads only the quadlets; after a crash it is run
// some twenty times more, on fewer and fewer of them.
const quadletsLimit = 10 * time.Second

var quadletsRow = collector{
	name: "quadlets", limit: quadletsLimit + time.Second, fills: []string{"units.quadlet_errors"}, needs: []string{"home-manager"},
}

// quadletsFound has, for each unit, the quadlets that do not become it.
type quadletsFound map[string][]facts.QuadletError

func (f quadletsFound) fill(doc *facts.Document) {
	for i := range doc.Units {
		doc.Units[i].QuadletErrors = f[doc.Units[i].Name]
	}
}

// refusals has, for each managed quadlet that is refused, why. noGenerator means that no
// generator was found that could be asked.
type refusals struct {
	of          map[string]quadlet.Refusal
	noGenerator bool
}

// beginQuadlets asks podman's generator about the managed quadlets that are on disk. It does
// not run without any.
func beginQuadlets(ctx context.Context, e Environment, quadlets map[string]string) <-chan answer[refusals] {
	return begin(ctx, quadletsLimit, func(ctx context.Context) (r refusals, err error) {
		sources := slices.DeleteFunc(slices.Sorted(maps.Keys(quadlets)), func(path string) bool { return !isFile(path) })
		if e.Quadlets == nil || len(sources) == 0 {
			return r, nil
		}
		program, err := e.podmanGenerator()
		if err != nil {
			return r, err
		}
		if program != "" {
			r.of, err = e.Quadlets.Refusals(ctx, e, program, sources)
			return r, err
		}
		r.noGenerator, r.of = true, map[string]quadlet.Refusal{}
		for _, path := range sources {
			r.of[path] = quadlet.Refusal{Reason: "the manager has no podman-user-generator, which podman 4.4 or later installs"}
		}
		return r, nil
	})
}

// collectQuadlets waits for the generator. Where none was found, a unit that is loaded proves
// that there is one elsewhere.
func collectQuadlets(ctx context.Context, e Environment, asking <-chan answer[refusals], quadlets map[string]string, loaded loadedUnits) (quadletsFound, error) {
	refused, err := await(ctx, asking)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("podman's generator did not answer within %s", quadletsLimit)
	}
	if err != nil {
		return nil, err
	}
	found := quadletsFound{}
	for _, path := range slices.Sorted(maps.Keys(refused.of)) {
		unit, r := quadlets[path], refused.of[path]
		if refused.noGenerator && loaded.loaded[unit].LoadState != "not-found" {
			continue
		}
		found[unit] = append(found[unit], facts.QuadletError{Path: path, Cause: r.Cause, Message: r.Reason})
	}
	found.addReplaced(quadlets, refused.of, loaded)
	found.addHidden(e, quadlets, loaded)
	return found, nil
}

// addHidden adds the quadlets whose unit is hidden by a unit file of the same name. A mask is
// reported as such.
func (f quadletsFound) addHidden(e Environment, quadlets map[string]string, loaded loadedUnits) {
	if loaded.index == nil {
		return
	}
	for _, path := range slices.Sorted(maps.Keys(quadlets)) {
		unit := quadlets[path]
		fragments := loaded.index.Fragments(unit)
		if f[unit] != nil || len(fragments) == 0 || !isFile(path) || !isFile(fragments[0]) {
			continue
		}
		first := drift.File{File: facts.File{Role: facts.RoleFragment, Origin: e.origin(fragments[0]), Effective: true}}
		if first.OutranksGenerators() && !e.readsGenerated(loaded.loaded[unit], unit) {
			f[unit] = append(f[unit], facts.QuadletError{Path: path, Cause: fragments[0], Message: "it hides the unit that podman makes"})
		}
	}
}

// readsGenerated reports whether a drop-in of the unit is the unit that podman makes, as
// quadlet-nix links it: then the file above it hides nothing.
func (e Environment) readsGenerated(u systemd.Unit, unit string) bool {
	return slices.ContainsFunc(u.DropInPaths, func(dropIn string) bool {
		file, err := filepath.EvalSymlinks(dropIn)
		return err == nil && filepath.Base(file) == unit && e.origin(file) == facts.OriginGenerator
	})
}

// addReplaced adds the quadlets that become the same unit as another one, such as
// web.container and web.kube: the generator writes one file over the other.
func (f quadletsFound) addReplaced(quadlets map[string]string, refused map[string]quadlet.Refusal, loaded loadedUnits) {
	sources := map[string][]string{}
	for _, path := range slices.Sorted(maps.Keys(quadlets)) {
		if _, isRefused := refused[path]; !isRefused && isFile(path) {
			sources[quadlets[path]] = append(sources[quadlets[path]], path)
		}
	}
	for unit, paths := range sources {
		last := paths[len(paths)-1]
		if runs := loaded.loaded[unit].SourcePath; slices.Contains(paths, runs) {
			last = runs
		}
		for _, path := range paths {
			if path != last {
				f[unit] = append(f[unit], facts.QuadletError{Path: path, Cause: last, Message: "both become " + unit})
			}
		}
	}
}

// isFile reports whether there is a regular file after all links: what is not there, or a
// mask, is reported as such.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// podmanGenerator returns the path of podman's generator that the manager uses; "" if it has
// none. The program of a folder that others can change is not run.
func (e Environment) podmanGenerator() (string, error) {
	const name = "podman-user-generator" // the program acts for a user when it has this name
	owner := newSystemOwner(e.Root)
	for _, p := range e.managerPlaces() {
		path := filepath.Join(p.folder, name)
		if p.role != facts.RoleGenerator || !isFile(path) {
			continue
		}
		if !owner.alone(path) {
			return "", fmt.Errorf("others than root can change %s, so it is not run", path)
		}
		return path, nil
	}
	return "", nil
}
