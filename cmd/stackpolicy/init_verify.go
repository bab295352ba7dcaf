package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"stackpolicy/config"
	"stackpolicy/internal/unitfile"
)

// verifyDropIn is the name of the drop-in that adds a verify step to a stack's unit.
const verifyDropIn = "stackpolicy.conf"

// verifyLimit is the start timeout for units that have none: verify waits up to 60 s for
// the containers, after the unit's own command.
const verifyLimit = "5min"

// findOwners sets the unit of each project that one of the user's own units runs: the
// unit that a container's label names, or the one with the project's name, or the only
// one whose text names the project's folder.
func (s *setup) findOwners() {
	own := map[string]bool{}
	for _, name := range s.found.units {
		own[name] = true
	}
	for i := range s.found.projects {
		p := &s.found.projects[i]
		switch named := p.name + ".service"; {
		case own[p.unit]:
		case own[named]:
			p.unit = named
		default:
			p.unit = s.onlyMention(p.folder)
		}
		p.isOwned = p.unit != ""
	}
}

// keepDeclared takes the projects for stacks that an existing configuration declares: a
// verify step of any other stack would fail.
func (f *found) keepDeclared(path string) {
	c, err := config.Read(path)
	for i := range f.projects {
		p := &f.projects[i]
		declared, known := c.Stacks[p.name]
		p.isOmitted = err != nil || !known || cmp.Or(declared.Unit, p.name+".service") != p.unit
	}
}

// onlyMention returns the user's unit whose text names a folder, or "" unless there is
// exactly one.
func (s *setup) onlyMention(folder string) string {
	mentioned := ""
	for _, name := range s.found.units {
		settings, err := unitfile.Read(s.unitFiles(name))
		if folder == "" || err != nil {
			continue
		}
		for _, key := range []string{"Service.WorkingDirectory", "Service.ExecStart"} {
			value, _ := settings.Last(key)
			for _, word := range strings.Fields(strings.ReplaceAll(value, "%h", s.env.Home)) {
				if word != folder && filepath.Dir(word) != folder {
					continue
				}
				if mentioned != "" && mentioned != name {
					return ""
				}
				mentioned = name
			}
		}
	}
	return mentioned
}

// unitFiles returns the file of a user's unit and its drop-ins, without ours.
func (s *setup) unitFiles(name string) (paths []string) {
	for _, dir := range []string{s.unitDir, s.env.UnitDir()} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		dropIns, _ := filepath.Glob(filepath.Join(dir, name+".d", "*.conf")) // the pattern is valid
		paths = []string{path}
		for _, d := range dropIns {
			if filepath.Base(d) != verifyDropIn {
				paths = append(paths, d)
			}
		}
		break
	}
	return paths
}

// planVerify plans a drop-in for each stack whose oneshot has no verify step: without one
// a start only means that the compose command returned. stackctl is its path in units, ""
// if it is not installed.
func (s *setup) planVerify(stackctl string) {
	for _, p := range s.found.projects {
		if !p.isStack() {
			continue
		}
		settings, err := unitfile.Read(s.unitFiles(p.unit))
		if err != nil || !needsVerify(settings) {
			continue
		}
		if stackctl == "" {
			s.found.unverified = append(s.found.unverified, p.unit)
			continue
		}
		s.found.verified = append(s.found.verified, p.unit)
		s.files = append(s.files, file{
			path: s.dropIn(p.unit, verifyDropIn),
			text: verifyText(p, stackctl, settings),
			own:  true,
		})
	}
}

func needsVerify(unit unitfile.Settings) bool {
	kind, _ := unit.Last("Service.Type")
	if kind != "oneshot" {
		return false
	}
	for _, command := range unit.List("Service.ExecStartPost") {
		if !strings.HasPrefix(command, "-") {
			return false
		}
	}
	return true
}

func verifyText(p project, stackctl string, unit unitfile.Settings) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %q wrote this file. With it, a start of\n", "stackpolicy init")
	fmt.Fprintf(&b, "# %s succeeds only if the stack is up and stays up.\n", p.unit)
	fmt.Fprintf(&b, "[Service]\nExecStartPost=%s verify %s\n", stackctl, p.name)
	if _, isSet := unit.Last("Service.TimeoutStartSec"); !isSet {
		fmt.Fprintf(&b, "TimeoutStartSec=%s\n", verifyLimit)
	}
	return b.String()
}
