package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// watchUnits are the units of the watch.
var watchUnits = []string{"stackpolicy-watch.service"}

// timedUnits are the units that start an audit by time and after a change: the watch runs
// instead of them. The audit's service belongs to neither, because a person may start it.
var timedUnits = []string{"stackpolicy-audit.timer", "stackpolicy-audit.path", "stackpolicy-audit-subfolders.path", "stackpolicy-audit-change.service"}

// unused returns the units that are not for this setup.
func (s *setup) unused() []string {
	if s.watches {
		return timedUnits
	}
	return watchUnits
}

// auditService is the unit whose process collects the facts.
func (s *setup) auditService() string {
	if s.watches {
		return watchUnits[0]
	}
	return "stackpolicy-audit.service"
}

// withoutUnused removes the units that are not for this setup.
func (s *setup) withoutUnused(texts map[string]string) map[string]string {
	maps.DeleteFunc(texts, func(name, _ string) bool { return slices.Contains(s.unused(), name) })
	return texts
}

// enabling returns the commands that enable the units, and disable those of the other way
// to audit. The other way ends last, so that there is no time without audits.
func (s *setup) enabling() (steps []string) {
	enable := "systemctl --user enable --now " // it also reloads the manager
	if s.found.podman {
		enable += "podman.socket "
	}
	if s.watches {
		steps = append(steps, enable+"stackpolicy-watch.service stackpolicy-report.timer")
	} else {
		steps = append(steps, enable+"stackpolicy-audit.timer stackpolicy-report.timer stackpolicy-audit.path stackpolicy-audit-subfolders.path")
	}
	other := slices.DeleteFunc(enabledUnits(s.env.UnitDir()), func(name string) bool { return !slices.Contains(s.unused(), name) })
	if len(other) > 0 {
		steps = append(steps, "systemctl --user disable --now "+strings.Join(other, " "))
	}
	return steps
}

// dropIn returns the path of a drop-in in the folder where units are written.
func (s *setup) dropIn(unit, name string) string {
	return filepath.Join(s.unitDir, unit+".d", name)
}
