package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/facts/collect"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/unitfile"
)

// found is what init found on the machine.
type found struct {
	units      []string // of the user's own, by name
	podman     bool
	silence    error // why podman did not answer
	projects   []project
	packagedIn string   // folder where a package installed our units, or ""
	verified   []string // units that get a verify step
	unverified []string // units that need one, which is not possible without stackctl
}

// project is a compose project among podman's containers, by its labels.
type project struct {
	name, unit string
	compose    []string
	folder     string // its working directory, or ""
	isOwned    bool   // unit is one of the user's own
	isOmitted  bool   // an existing configuration does not declare it
}

// isStack reports whether enough is known to declare the project as a stack.
func (p project) isStack() bool { return p.isOwned && !p.isOmitted && len(p.compose) > 0 }

// maxFound bounds the list of each kind. Users add more by hand.
const maxFound = 200

func findAll(ctx context.Context, env collect.Environment, unitDir string) found {
	f := found{units: ownUnits(env.UnitDir(), unitDir)}
	listing, err := env.Podman.Containers(ctx)
	f.podman, f.silence = listing.Present || err != nil, err
	f.projects = projects(listing.Containers)
	return f
}

// ownUnits returns the names of the units that the user declared in the folders,
// without those of Home Manager, which are audited anyway, masks, and the audit's own.
func ownUnits(dirs ...string) []string {
	names := map[string]bool{}
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir) // a folder that does not exist has no units
		for _, e := range entries {
			target, _ := os.Readlink(filepath.Join(dir, e.Name()))
			foreign := strings.HasPrefix(target, "/nix/store/") || target == os.DevNull
			if !e.IsDir() && !foreign && unitfile.Valid(e.Name()) && !strings.HasPrefix(e.Name(), "stackpolicy-") {
				names[e.Name()] = true
			}
		}
	}
	return first(sortedKeys(names))
}

// projects reads the labels that compose providers write. Anybody can set labels, so
// values that are not valid in a configuration are ignored.
func projects(containers []podman.Container) []project {
	byName := map[string]project{}
	for _, c := range containers {
		name := c.Labels[podman.LabelProject]
		p := project{name: name, unit: cmp.Or(byName[name].unit, unitOf(c.Labels))}
		p.compose = composeFiles(c.Labels)
		if len(p.compose) == 0 {
			p.compose = byName[name].compose
		}
		if dir := c.Labels[podman.LabelFolder]; filepath.IsAbs(dir) {
			p.folder = filepath.Clean(dir)
		} else {
			p.folder = byName[name].folder
		}
		if projectName(name) {
			byName[name] = p
		}
	}
	var list []project
	for _, name := range first(sortedKeys(byName)) {
		list = append(list, byName[name])
	}
	return list
}

// projectName reports whether a name follows the Compose Specification ("name").
func projectName(name string) bool {
	const first = "abcdefghijklmnopqrstuvwxyz0123456789"
	return name != "" && len(name) <= 100 && strings.Trim(name, first+"_-") == "" && strings.Contains(first, name[:1])
}

// unitOf returns the unit that a container's label names. podman-compose sets a name
// of its own, even if no such unit exists.
func unitOf(labels map[string]string) string {
	unit := labels[podman.LabelUnit]
	if !unitfile.Valid(unit) || strings.HasPrefix(unit, "podman-compose@") {
		return ""
	}
	return unit
}

func composeFiles(labels map[string]string) (paths []string) {
	dir := labels[podman.LabelFolder]
	for _, path := range strings.Split(labels[podman.LabelFiles], ",") {
		if path != "" && !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if filepath.IsAbs(path) && len(path) < 4096 && len(paths) < 20 {
			paths = append(paths, path)
		}
	}
	return paths
}

// packagedIn returns the first folder that holds the audit's service.
func packagedIn(dirs []string) string {
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "stackpolicy-audit.service")); err == nil {
			return dir
		}
	}
	return ""
}

// notes describes what was found, and what could not be collected.
func (f found) notes() (notes []string) {
	if f.packagedIn != "" {
		notes = append(notes, "The units are installed in "+f.packagedIn+".")
	}
	if len(f.units) == 0 {
		notes = append(notes, "No unit of yours was found. Name the units to audit under units.")
	} else {
		notes = append(notes, "Units of yours: "+strings.Join(f.units, ", "))
	}
	switch {
	case f.silence != nil:
		notes = append(notes, fmt.Sprintf("Podman does not answer, so its compose projects are unknown: %v", f.silence))
	case !f.podman:
		notes = append(notes, "Podman is not installed.")
	case len(f.projects) == 0:
		notes = append(notes, "None of podman's containers belongs to a compose project.")
	}
	for _, p := range f.projects {
		switch {
		case p.isStack():
			notes = append(notes, "Stack: "+p.name+", run by "+p.unit)
		case p.isOmitted:
			notes = append(notes, "Compose project: "+p.name+". Your configuration does not declare it under stacks.")
		default:
			notes = append(notes, "Compose project: "+p.name+". Its unit was not found, so it is only a comment in the configuration.")
		}
	}
	if len(f.verified) > 0 {
		notes = append(notes, "A drop-in adds `stackctl verify` to "+strings.Join(f.verified, ", ")+": a start succeeds only if the stack is up.")
	}
	if len(f.unverified) > 0 {
		notes = append(notes, "Install stackctl beside stackpolicy and run this again, to verify the starts of "+strings.Join(f.unverified, ", ")+".")
	}
	return notes
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func first(names []string) []string { return names[:min(len(names), maxFound)] }
