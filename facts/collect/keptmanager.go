package collect

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// keptUnit is what the manager said of a unit.
type keptUnit struct {
	systemd.Unit
	idle bool // it was not in the manager's memory
}

// mentions calls see with each name by which a unit is known, or that it names.
func (u keptUnit) mentions(see func(string) bool) bool {
	for _, list := range [][]string{
		u.Names, u.WantedBy, u.RequiredBy, u.UpheldBy, u.Requires, u.Requisite, u.BindsTo, u.TriggeredBy, u.Wants, u.Upholds,
	} {
		if slices.ContainsFunc(list, see) {
			return true
		}
	}
	return see(u.ID) || u.ID != "" && see(unitfile.Template(u.ID))
}

// ask surveys the manager, over the connection of the last collection.
func (k *kept) ask(ctx, limited context.Context, e Environment) (surveyed, error) {
	if k.change.Whole {
		lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
		k.close = cancel
		s, err := k.surveyor(lasting, limited, e)
		if err != nil {
			cancel()
			return s, err
		}
		k.raw, k.dirty, k.links = map[string]keptUnit{}, nil, transientLinks(s.manager.UnitPath)
		k.survey, k.conn = s, s.conn.(surveyable)
		s.conn = &keptConn{manager: k.conn, kept: k}
		return s, nil
	}
	s, last := k.survey, k.survey
	var err error
	if s.manager, err = k.conn.Manager(limited); err != nil {
		return s, err
	}
	if s.listed, err = k.conn.ListUnits(limited); err != nil {
		return s, err
	}
	if len(k.change.Paths) > 0 {
		if s.index, err = unitfile.ReadIndex(limited, s.manager.UnitPath); err != nil {
			return s, err
		}
		k.links = transientLinks(s.manager.UnitPath)
		if path := unitfile.WaitingAt(slices.Collect(maps.Keys(k.change.Paths))); path != "" {
			return s, waits(path)
		}
	}
	changed := changedUnits(last.listed, s.listed)
	k.dirty, k.went = changed.all, changed.went
	if k.pulled, err = k.pulledBy(limited, changed.came); err != nil {
		return s, err
	}
	for path := range k.change.Paths {
		units, _ := k.unitsOf(e, path)
		for _, unit := range units {
			k.dirty[unit] = true
		}
	}
	k.survey = s
	s.conn = &keptConn{manager: k.conn, kept: k}
	return s, nil
}

// unitChanges are the names of units in memory: all that are in another state, came or went.
type unitChanges struct {
	all, went map[string]bool
	came      []string
}

func changedUnits(last, now []systemd.Listed) unitChanges {
	before := make(map[string]systemd.Listed, len(last))
	c := unitChanges{all: map[string]bool{}, went: map[string]bool{}}
	for _, l := range last {
		before[l.Name] = l
	}
	for _, l := range now {
		old, was := before[l.Name]
		if !was {
			c.came = append(c.came, l.Name)
		}
		if !was || old.LoadState != l.LoadState || old.ActiveState != l.ActiveState {
			c.all[l.Name] = true
		}
		delete(before, l.Name)
	}
	for name := range before {
		c.all[name], c.went[name] = true, true
	}
	return c
}

// maxCame is how many units may come at once and be asked for what they pull in.
const maxCame = 50

// pulledBy returns the units that those which came into memory pull in, or trigger by their name:
// the manager says it of these now.
func (k *kept) pulledBy(ctx context.Context, came []string) (map[string]bool, error) {
	pulled := map[string]bool{}
	if len(came) > maxCame {
		clear(k.raw) // all are asked for again
		return pulled, nil
	}
	came = loadable(came)
	if len(came) == 0 {
		return pulled, nil
	}
	units, err := k.conn.Units(ctx, came, func(string) bool { return false })
	for _, u := range units {
		for _, list := range [][]string{u.Requires, u.Requisite, u.BindsTo, u.Wants, u.Upholds} {
			for _, name := range list {
				pulled[name] = true
			}
		}
	}
	for _, name := range came {
		stem, _ := unitfile.Split(name)
		pulled[stem+".service"] = true
	}
	return pulled, err
}

// keptConn asks the manager only for the units that changed.
type keptConn struct {
	manager
	kept *kept
}

func (c *keptConn) Units(ctx context.Context, names []string, idle func(string) bool) ([]systemd.Unit, error) {
	k := c.kept
	var asked []string
	for _, name := range names {
		k.asked[name] = true
		if k.mustAsk(name, idle(name)) {
			asked = append(asked, name)
		}
	}
	if len(asked) > 0 {
		units, err := c.manager.Units(ctx, asked, idle)
		if err != nil {
			return nil, err
		}
		for i, name := range asked {
			k.raw[name], k.again[name] = keptUnit{units[i], idle(name)}, true
		}
	}
	all := make([]systemd.Unit, len(names))
	for i, name := range names {
		all[i] = k.raw[name].Unit
	}
	return all, nil
}

// mustAsk reports whether the manager may say something else of a unit than it did.
func (k *kept) mustAsk(name string, isIdle bool) bool {
	known, has := k.raw[name]
	if !has || known.idle != isIdle || k.dirty[unitfile.Template(name)] {
		return true
	}
	for _, n := range []string{name, known.ID} {
		if k.change.Units[n] || k.dirty[n] || k.pulled[n] {
			return true
		}
	}
	return len(k.went) > 0 && known.mentions(func(name string) bool { return k.went[name] })
}

// understands reports whether the units are known that the changed files may concern.
func (k *kept) understands(e Environment, change Change) bool {
	g := k.declared.answer.generation
	for path := range change.Paths {
		hop, _ := os.Readlink(path)
		isOther := g != nil && g.Owns(filepath.Clean(hop)) && !g.IsCurrent(filepath.Clean(hop)) // part of an activation, perhaps
		isAlias := hop != "" && filepath.Base(hop) != filepath.Base(path)
		if _, understood := k.unitsOf(e, path); isOther || isAlias || !understood {
			return false
		}
	}
	return true
}

// unitsOf returns the units whose fragment or drop-in is at a path, or is a link to it. It is not
// understood where more than these units and what mentions them may be concerned.
func (k *kept) unitsOf(e Environment, path string) (units []string, understood bool) {
	folder, name := filepath.Dir(path), filepath.Base(path)
	if unit, isDropIn := strings.CutSuffix(filepath.Base(folder), ".d"); isDropIn && strings.HasSuffix(name, ".conf") {
		folder, name = filepath.Dir(folder), unit
	}
	if slices.Contains(k.survey.manager.UnitPath, folder) {
		w, known := k.walked[name]
		if !known { // a unit that a program made for a while, such as podman for a health check
			isAlias := k.links[name] || k.survey.index != nil && k.survey.index.AliasOf(name) != ""
			return nil, filepath.Base(folder) == transient && isOfOne(name) && !isAlias && !isConfigured(e.Config, name)
		}
		if !isPlain(w.after) {
			return nil, false
		}
		units = append(units, name)
	}
	for name, w := range k.walked {
		for _, f := range w.after.Files {
			if f.Path != path && f.FirstHop != path && f.Target != path {
				continue
			}
			if !f.Defines() || !isPlain(w.after) {
				return nil, false
			}
			units = append(units, name)
			break
		}
	}
	return units, len(units) > 0
}

// transient is the name of the folder in which programs make units for a while (systemd.unit(5)).
const transient = "transient"

// transientLinks returns the names of links in the transient folders of a unit path. What cannot
// be read has none.
func transientLinks(unitPath []string) map[string]bool {
	links := map[string]bool{}
	for _, folder := range unitPath {
		if filepath.Base(folder) != transient {
			continue
		}
		entries, _ := os.ReadDir(folder)
		for _, e := range entries {
			if e.Type()&fs.ModeSymlink != 0 {
				links[e.Name()] = true
			}
		}
	}
	return links
}

// isOfOne reports whether a name is one of a single unit, and not of a template or what drop-ins
// of many units are found by, of a kind that programs make for a while.
func isOfOne(name string) bool {
	kind := filepath.Ext(name)
	stem := strings.TrimSuffix(name, kind)
	return slices.Contains([]string{".service", ".timer", ".scope"}, kind) && !strings.HasSuffix(stem, "@") && !strings.HasSuffix(stem, "-")
}

// isPlain reports whether a change of the unit's files concerns few others: not if other units
// are pulled in by it, or if it is another name of one.
func isPlain(u facts.Unit) bool {
	isAlias := slices.ContainsFunc(u.Files, func(f facts.File) bool {
		return f.Role == facts.RoleFragment && f.FirstHop != "" && filepath.Base(f.FirstHop) != u.Name
	})
	return !u.Quadlet && !isAlias && !strings.HasSuffix(u.Name, ".target")
}
