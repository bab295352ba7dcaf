package definitions

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/facts"
	"stackpolicy/internal/unitfile"
)

// Who refuses a file.
const (
	Nobody    = ""
	Generator = "podman's generator"
	Manager   = "the manager"
)

// Verdict is what became of a quadlet or unit file right after a reload.
type Verdict struct {
	File      string // path in the folder that was given
	Unit      string // that it becomes; "" if none of the three says
	RefusedBy string
	Why       string
	Findings  []Finding // stackpolicy's, of the unit
	Suspect   []string  // where the three do not agree: defects of stackpolicy, or of this command

	at    string // path in the home
	isOwn bool   // it is the cause why others are refused

	dangles bool // it is a link that leads nowhere
	byOther bool // another file is at fault
}

// Finding is a decision of stackpolicy that is not allow.
type Finding struct{ Invariant, Case, Effect, Severity, Path string }

func (f Finding) String() string {
	return fmt.Sprintf("%s %s %s/%s", f.Invariant, f.Case, f.Effect, f.Severity)
}

// Judge has the manager read groups that can be there together, and returns the verdicts on
// their quadlets and unit files, in their order.
func (l *Lab) Judge(ctx context.Context, groups []Group, layout Layout) ([]Verdict, error) {
	if err := l.put(ctx, groups, layout); err != nil {
		return nil, err
	}
	seen, err := l.look(ctx)
	if err != nil {
		return nil, err
	}
	verdicts := l.verdicts(groups, seen)
	names := []string{}
	for _, v := range verdicts {
		if unitfile.Valid(v.Unit) && !slices.Contains(names, v.Unit) {
			names = append(names, v.Unit)
		}
	}
	states, err := l.states(ctx, names)
	if err != nil {
		return nil, err
	}
	for i := range verdicts {
		verdicts[i].compare(states[verdicts[i].Unit], seen)
	}
	if err := l.writeBeside(ctx, verdicts, seen); err != nil {
		return nil, err
	}
	if layout == Plain && l.generator {
		err = l.editAll(ctx, groups, verdicts, seen)
	}
	return verdicts, err
}

// seen is what the generator has written, and what stackpolicy says, after a reload.
type seen struct {
	made    map[string]string // quadlet -> unit
	refused map[string]facts.QuadletError
	units   map[string]string // quadlet -> unit, as stackpolicy has it
	found   map[string][]Finding
}

func (l *Lab) look(ctx context.Context) (s seen, err error) {
	if s.made, err = l.made(); err != nil {
		return s, err
	}
	if s.refused, s.units, err = l.refusals(ctx); err != nil {
		return s, err
	}
	s.found, err = l.audit(ctx)
	return s, err
}

// verdicts has what the generator makes of each file.
func (l *Lab) verdicts(groups []Group, s seen) []Verdict {
	var verdicts []Verdict
	for _, g := range groups {
		for _, f := range g.Files {
			if !f.isDefinition() || f.isQuadlet() && !l.generator {
				continue
			}
			v := Verdict{File: path.Join(g.Name, f.Path), Unit: f.Path, at: filepath.Join(l.scene.Home, f.home(g))}
			if f.isQuadlet() {
				_, err := os.Stat(v.at)
				v.dangles = err != nil
				v.quadlet(s)
			}
			verdicts = append(verdicts, v)
		}
	}
	for i, v := range verdicts {
		verdicts[i].isOwn = slices.ContainsFunc(verdicts, func(o Verdict) bool {
			return o.at != v.at && s.refused[o.at].Cause == v.at && v.RefusedBy == Generator && (v.dangles || s.refused[v.at].Cause == v.at)
		})
	}
	return verdicts
}

func (v *Verdict) quadlet(s seen) {
	unit, isMade := s.made[v.at]
	v.Unit = unit
	if !isMade {
		v.Unit, v.RefusedBy, v.Why = s.units[v.at], Generator, s.refused[v.at].Message
		if cause := s.refused[v.at].Cause; cause != "" && cause != v.at {
			v.Why, v.byOther = path.Base(cause)+": "+v.Why, true
		}
	}
	error, isRefused := s.refused[v.at]
	switch {
	case !isMade && !isRefused && !v.dangles && v.Unit != "":
		v.suspect("no unit is made of it, and stackpolicy has no refusal")
	case isMade && isRefused && error.Cause == v.at:
		v.suspect("a unit is made of it, and stackpolicy has a refusal: %s", error.Message)
	}
}

// subject is what stackpolicy's findings are about: the unit or, where systemd takes none of
// the name, the file.
func (v *Verdict) subject() string {
	if unitfile.Valid(v.Unit) {
		return v.Unit
	}
	return strings.ToValidUTF8(v.at, "\ufffd") // as JSON has it
}

func (v *Verdict) suspect(format string, args ...any) {
	v.Suspect = append(v.Suspect, fmt.Sprintf(format, args...))
}

// compare adds what the manager says of the unit, and what stackpolicy finds.
func (v *Verdict) compare(s state, seen seen) {
	v.Findings = seen.found[v.subject()]
	isLoaded := s.load == "loaded" || s.load == "merged"
	if v.RefusedBy == Nobody && !isLoaded {
		v.RefusedBy, v.Why = Manager, strings.TrimSuffix(s.load+": "+s.why, ": ")
		if !unitfile.Valid(v.Unit) {
			v.Why = "it takes no unit of this name: " + v.Unit
		}
	}
	_, kind := unitfile.Split(v.Unit)
	if s.runs && isLoaded && slices.Contains([]string{"service", "socket", "timer", "path"}, kind) {
		v.suspect("it was started: nothing here may start")
	}
	if !isLoaded && s.load != "masked" && len(v.Findings) == 0 && !unitfile.IsTemplate(v.Unit) { // only an instance is loaded
		v.suspect("it is not loaded, and stackpolicy finds nothing")
	}
	for _, f := range v.Findings {
		switch {
		case f.Effect == "heal":
			v.suspect("right after a reload: %s", f)
		case v.RefusedBy == Nobody && slices.Contains(aboutLoading, f.Invariant):
			v.suspect("it is loaded, and yet: %s", f)
		case v.RefusedBy == Generator && !v.byOther && f.Invariant != "quadlets_generate" && !v.dangles && f.Case != "nameless":
			v.suspect("besides the generator's refusal: %s", f)
		}
	}
}

// aboutLoading are the invariants that hold for whatever is loaded.
var aboutLoading = []string{"fragment_in_user_dir", "no_unread_definition", "loaded_is_current", "file_declared"}

// writeBeside writes a file into the unit folder, which changes no definition.
func (l *Lab) writeBeside(ctx context.Context, verdicts []Verdict, before seen) error {
	if err := l.scene.Write(l.scene.Unit("note.txt"), "no unit"); err != nil {
		return err
	}
	found, err := l.audit(ctx)
	for i := range verdicts {
		v := &verdicts[i]
		if got, want := texts(found[v.subject()]), texts(before.found[v.subject()]); !slices.Equal(got, want) {
			v.suspect("after a write beside it: %s; before: %s", got, want)
		}
	}
	return err
}

// editAll changes all quadlets, and has the manager read them again after that.
func (l *Lab) editAll(ctx context.Context, groups []Group, verdicts []Verdict, before seen) error {
	if err := l.edit(groups, "\n\n[Unit]\nDocumentation=man:edited(1)\n"); err != nil {
		return err
	}
	edited, err := l.audit(ctx)
	if err != nil {
		return err
	}
	if err := l.reload(ctx); err != nil {
		return err
	}
	reloaded, err := l.audit(ctx)
	for i := range verdicts {
		v := &verdicts[i]
		_, isQuadlet := before.made[v.at]
		mustBeStale := isQuadlet && v.RefusedBy == Nobody && !has(before.found[v.Unit], "quadlets_generate")
		if v.RefusedBy != Manager && has(edited[v.Unit], "loaded_is_current") != mustBeStale {
			v.suspect("edited and not read again: %s", texts(edited[v.Unit]))
		}
		if got, want := texts(reloaded[v.subject()]), texts(before.found[v.subject()]); !slices.Equal(got, want) {
			v.suspect("after the next reload: %s; before: %s", got, want)
		}
	}
	return err
}

func has(findings []Finding, invariant string) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Invariant == invariant })
}

func texts(findings []Finding) (list []string) {
	for _, f := range findings {
		list = append(list, f.String())
	}
	slices.Sort(list)
	return list
}
