package enforce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// reload lets the manager read every unit file again.
var reload = verb{
	action: finding.DaemonReload,
	limit:  90 * time.Second,
	guard:  guardReload,
	do:     func(ctx context.Context, m Manager, _ string) error { return m.Reload(ctx) },
}

// guardReload refuses a reload that would bring an undeclared file in force, or drop a
// declared one, for any unit or for the manager as a whole: a reload reads all files on
// disk. So it does while others can put files there.
func guardReload(_ policy.Settings, _ Action, now Observation) error {
	if now.Document.ManagerFiles == nil {
		return errors.New("what a reload reads besides unit files is not known")
	}
	if s := now.Document.Collectors["quadlets"]; !s.OK && slices.ContainsFunc(now.Document.Units, func(u facts.Unit) bool { return u.Quadlet && u.IsManaged() }) {
		return fmt.Errorf("a reload may take units from quadlets away: the quadlets collector failed: %s", s.Error)
	}
	if u := now.Document.User; u != nil && len(u.OpenFolders) > 0 {
		return fmt.Errorf("others can put unit files into %s", some(u.OpenFolders))
	}
	for _, f := range now.Document.ManagerFiles.Files {
		if f.IsNews() {
			return fmt.Errorf("a reload would bring %s in force (%s, %s), which changed after the last one", f.Path, f.Role, f.Origin)
		}
	}
	for _, u := range now.Document.Units {
		if !u.IsManaged() || u.Template && u.Reload == nil {
			continue
		}
		switch {
		case u.Reload == nil:
			return fmt.Errorf("what a reload would do to %s is not known", u.Name)
		case len(u.Reload.LoadsUndeclared) > 0:
			return fmt.Errorf("a reload would load what is not declared for %s: %s", u.Name, some(u.Reload.LoadsUndeclared))
		case len(u.Reload.DropsDeclared) > 0:
			return fmt.Errorf("a reload would drop what is declared for %s: %s", u.Name, some(u.Reload.DropsDeclared))
		}
	}
	return nil
}

// some names the first two paths and counts the others.
func some(paths []string) string {
	if more := len(paths) - 2; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(paths[:2], ", "), more)
	}
	return strings.Join(paths, ", ")
}
