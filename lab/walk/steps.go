package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"stackpolicy/lab/generation"
	"stackpolicy/lab/scene"
)

// step changes one thing. Its error says that it could not be done, which is no find.
type step struct {
	name   string
	weight int
	do     func(*world, *rand.Rand) error
}

const undoStep = "undo"

var steps = []step{
	{undoStep, 60, (*world).undo},
	{"activation", 10, activation},
	{"half an activation", 2, halfActivation},
	{"plain file", 6, plainFile},
	{"edit behind a link", 4, editBehind},
	{"drop-in", 16, dropIn},
	{"mask", 4, mask},
	{"wants link", 8, wantsLink},
	{"link that goes", 5, linkGoes},
	{"new unit", 6, newUnit},
	{"another fragment", 4, otherFragment},
	{"alias", 3, alias},
	{"mode", 3, mode},
	{"folder moved", 2, moveFolder},
	{"manager file", 3, managerFile},

	{"reload", 10, func(w *world, _ *rand.Rand) error { return w.systemctl("daemon-reload") }},
	{"reexec", 1, func(w *world, _ *rand.Rand) error { return w.systemctl("daemon-reexec") }},
	{"start, stop or kill", 14, act},
	{"failure", 4, fail},
	{"property", 4, property},
	{"transient unit", 4, transient},
	{"unit-file command", 3, unitFileCommand},

	{"containers", 10, changeContainers},
	{"quadlet", 4, quadlet},
	{"linger", 3, linger},
	{"own facts", 3, localFacts},
	{"configuration", 6, configure},
	{"rules", 5, changeRules},
	{"hold or waiver", 10, exempt},
	{"signal", 1, hangUp},
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func unitName(r *rand.Rand) string { return pick(r, names...) }

// fileOf returns the name of the file of a unit.
func fileOf(unit string) string { return strings.Replace(unit, "@a", "@", 1) }

// folders returns the unit folders, the first ones more often than others.
func (w *world) folder(r *rand.Rand) string {
	user := w.Unit(".")
	in := func(name string) string { return filepath.Join(w.RuntimeDir, "systemd", name) }
	return pick(r, user, user, user, user, filepath.Join(w.Home, ".local/share/systemd/user"), filepath.Join(w.Home, ".config/systemd/user.control"),
		w.Path("/etc/systemd/user"), w.Path("/run/systemd/user"), in("user"), in("user.control"), in("transient"), in("generator"), in("generator.early"), in("generator.late"))
}

// activation changes some of what is declared, and activates it.
func activation(w *world, r *rand.Rand) error {
	old := w.declared
	w.revision++
	w.declare()
	for path, text := range old { // most stay as they are
		if _, has := w.declared[path]; has && r.IntN(3) > 0 {
			w.declared[path] = text
		}
	}
	switch r.IntN(6) {
	case 0:
		w.note("activate without feeds")
		w.declared[scene.UnitDir+"/feeds.service"], w.declared[scene.UnitDir+"/default.target.wants/feeds.service"] = "-", "-"
		w.later("activate with feeds", func() error {
			w.declare()
			return errors.Join(w.build(), w.activate(generation.Activation{}))
		})
	case 1:
		w.note("activate again, all links new")
		return w.activate(generation.Activation{Relink: true})
	case 2:
		w.note("activate without a drop-in")
		delete(w.declared, scene.UnitDir+"/"+declaredDropIn)
	default:
		w.note("activate")
	}
	err := errors.Join(w.build(), w.activate(generation.Activation{}))
	if err == nil && r.IntN(2) == 0 {
		return w.systemctl("daemon-reload")
	}
	return err
}

func halfActivation(w *world, r *rand.Rand) error {
	w.revision++
	w.declare()
	if err := w.build(); err != nil {
		return err
	}
	w.note("activate half")
	w.later("activate the rest", func() error { return w.activate(generation.Activation{}) })
	return w.Current.ActivateHalf(w.Home, generation.Activation{UID: w.UID, GID: w.GID, Force: []string{""}})
}

func (w *world) text(r *rand.Rand) string {
	return fmt.Sprintf("[Unit]\nDescription=walk %d\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Timer]\nOnCalendar=yearly\n", r.IntN(4))
}

func plainFile(w *world, r *rand.Rand) error {
	path := w.Unit(fileOf(unitName(r)))
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() { // an editor
		w.note("edit ", path)
		return os.WriteFile(path, []byte(w.text(r)), 0o644)
	}
	return w.replaceDeclared(path, func() error { return w.Write(path, w.text(r)) })
}

// editBehind links a unit to a file elsewhere, and changes that file.
func editBehind(w *world, r *rand.Rand) error {
	unit := fileOf(unitName(r))
	path, elsewhere := w.Unit(unit), filepath.Join(w.Home, "dotfiles", unit)
	if to, err := os.Readlink(path); err == nil && to == elsewhere {
		w.note("edit ", elsewhere)
		return w.Write(elsewhere, w.text(r))
	}
	return errors.Join(w.Write(elsewhere, w.text(r)), w.replaceDeclared(path, func() error { return w.Link(elsewhere, path) }))
}

// dropInFolders returns the names of the folders of drop-ins of a unit.
func dropInFolders(unit string) []string {
	stem, kind := strings.TrimSuffix(unit, filepath.Ext(unit)), filepath.Ext(unit)
	all := []string{unit, unit, unit, kind[1:]}
	if name, _, isInstance := strings.Cut(stem, "@"); isInstance {
		all = append(all, name+"@"+kind)
	}
	for i, c := range stem {
		if c == '-' {
			all = append(all, stem[:i+1]+kind)
		}
	}
	return all
}

func dropIn(w *world, r *rand.Rand) error {
	path := filepath.Join(w.folder(r), pick(r, dropInFolders(unitName(r))...)+".d", w.next()+".conf")
	text := pick(r, "[Service]\nNice=5\n", "[Unit]\nDescription=other\n", "[Unit]\nWants=feeds.service\n", "[Unit]\nWants=gone.service\n", "[Service]\nExecStart=\nExecStart=/bin/false\n", "")
	switch r.IntN(6) {
	case 0:
		elsewhere := filepath.Join(w.Home, "dotfiles", w.next())
		return errors.Join(w.Write(elsewhere, text), w.link(elsewhere, path))
	case 1:
		return w.link("/dev/null", path)
	case 2: // with its folder, later
		w.later("remove "+filepath.Dir(path), func() error { return os.RemoveAll(filepath.Dir(path)) })
	case 3: // over the declared one
		path = w.Unit(declaredDropIn)
		return w.replaceDeclared(path, func() error { return w.Write(path, text) })
	}
	return w.put(path, text)
}

func mask(w *world, r *rand.Rand) error {
	unit := fileOf(unitName(r))
	if path := w.Unit(unit); r.IntN(2) == 0 {
		return w.replaceDeclared(path, func() error { return w.Link("/dev/null", path) })
	}
	return w.link("/dev/null", filepath.Join(filepath.Join(w.RuntimeDir, "systemd/user"), unit))
}

func wantsLink(w *world, r *rand.Rand) error {
	owner := pick(r, "default.target", "default.target", "timers.target", unitName(r), "gone.target")
	unit := pick(r, unitName(r), unitName(r), w.next()+".service")
	path := filepath.Join(w.folder(r), owner+pick(r, ".wants", ".requires", ".upholds"), unit)
	if _, err := os.Lstat(path); err == nil {
		return errors.New("it is there already")
	}
	return w.link(pick(r, w.Unit(fileOf(unit)), "../"+fileOf(unit), "../gone.service", "/dev/null"), path)
}

func linkGoes(w *world, r *rand.Rand) error {
	paths, err := filepath.Glob(w.Unit("*.wants/*"))
	if r.IntN(3) == 0 {
		paths, err = []string{w.Unit(fileOf(unitName(r))), w.Unit(declaredDropIn)}, nil
	}
	if err != nil || len(paths) == 0 {
		return errors.New("no file to take")
	}
	return w.replaceDeclared(pick(r, paths...), func() error { return nil })
}

func newUnit(w *world, r *rand.Rand) error {
	unit := w.next() + pick(r, ".service", ".service", ".timer", ".socket", "@.service", ".target")
	text := w.text(r)
	if strings.HasSuffix(unit, ".socket") {
		text = "[Socket]\nListenStream=%t/" + unit + "\n"
	}
	err := w.put(filepath.Join(w.folder(r), unit), text)
	if r.IntN(2) == 0 && !strings.Contains(unit, "@") {
		did := w.did
		_ = w.systemctl("start", unit)
		w.note(did, " and start")
		w.later("stop "+unit, func() error { return w.systemctl("stop", unit) })
	}
	return err
}

func otherFragment(w *world, r *rand.Rand) error {
	folder := w.folder(r)
	if folder == w.Unit(".") {
		folder = filepath.Join(w.Home, ".config/systemd/user.control")
	}
	return w.put(filepath.Join(folder, fileOf(unitName(r))), w.text(r))
}

func alias(w *world, r *rand.Rand) error {
	unit := unitName(r)
	name := w.next() + filepath.Ext(unit)
	if strings.Contains(unit, "@") {
		name = strings.Replace(name, ".", "@.", 1)
	}
	err := w.link(w.Unit(fileOf(unit)), filepath.Join(w.folder(r), name))
	if r.IntN(2) == 0 {
		err = errors.Join(err, w.put(w.Unit(name+".d/x.conf"), "[Service]\nNice=3\n"))
	}
	return err
}
