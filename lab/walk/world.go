package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"stackpolicy/decide"
	"stackpolicy/lab/generation"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/usermanager"
)

// world is a user manager with its declared units, a watch beside it, and what was changed.
type world struct {
	*scene.Scene
	ctx      context.Context
	watch    *watching
	declared map[string]string
	revision int // of the declared texts
	planted  int // number of names given out
	undos    []undoing
	did      string        // what the last step did
	slowest  time.Duration // from a change to a comparison in which all is right
	patience time.Duration // as in walk
	tries    int           // of the last comparison
	loaded   map[string]*decide.Policies
}

// undoing undoes a change.
type undoing struct {
	what string
	do   func() error
}

// names are the managed units.
var names = []string{"web.service", "files.service", "feeds.service", "side.service", "inst@a.service", "stackpolicy-audit.timer"}

const declaredDropIn = "files.service.d/declared.conf"

func openWorld(ctx context.Context, program string, options usermanager.Options) (w *world, err error) {
	w = &world{ctx: ctx, loaded: map[string]*decide.Policies{}}
	w.declare()
	if w.Scene, err = scene.Open(ctx, program, options, w.declared); err != nil {
		return nil, err
	}
	if err = w.restore(); err == nil {
		w.watch, err = startWatch(ctx, w.Scene)
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *world) close() {
	if w.watch != nil {
		_ = w.watch.stop()
	}
	if err := w.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func (w *world) log() string { return w.watch.log() }

// declare sets the declared files to those of the present revision.
func (w *world) declare() {
	rev := fmt.Sprint("revision ", w.revision)
	in := func(name string) string { return scene.UnitDir + "/" + name }
	w.declared = map[string]string{
		".config/stackpolicy/config.yaml":         "-",
		in("side.service"):                        scene.Stamped("[Unit]\nDescription=" + rev + "\n\n[Service]\nExecStart=/bin/sleep infinity\n"),
		in("inst@.service"):                       scene.Stamped("[Unit]\nDescription=" + rev + "\n\n[Service]\nExecStart=/bin/sleep infinity\n"),
		in("stackpolicy-audit.service"):           scene.Stamped("[Unit]\nDescription=" + rev + "\n\n[Service]\nType=oneshot\nExecStart=/bin/true\n"),
		in("stackpolicy-audit.timer"):             scene.Stamped("[Unit]\nDescription=" + rev + "\n\n[Timer]\nOnStartupSec=20h\nOnUnitInactiveSec=20h\n"),
		in("default.target.wants/inst@a.service"): "-> ../inst@.service",
		in("default.target.wants/side.service"):   "-> ../side.service",
		in(declaredDropIn):                        "[Service]\nEnvironment=DECLARED=" + fmt.Sprint(w.revision) + "\n",
	}
	for _, unit := range scene.Stacks() {
		w.declared[in(unit)] = scene.Stamped(scene.StackUnit(unit, rev))
	}
}

// configuration is the text of config.yaml where nothing is changed.
const configuration = "stacks: {web: {}, files: {}, feeds: {}}\npolicies: ~/rules\n"

// rules are the settings where nothing is changed. What is about the past is far away: no step
// undoes it.
const rules = "settings:\n  repeat: {drift: 1000, window: 1h}\n  settle: 100ms\n"

// restore brings everything in order that no undo does.
func (w *world) restore() error {
	w.declare()
	err := errors.Join(
		w.build(), w.Write(w.config(), configuration), w.Write(filepath.Join(w.Home, "rules/settings.yaml"), rules),
		os.MkdirAll(w.Path("/etc/systemd/user"), 0o755), w.Podman(scene.Containers()...), w.activate(generation.Activation{}),
	)
	time.Sleep(scene.ClockTick)
	for _, argv := range [][]string{
		{"unset-environment", "APPLY"}, {"stop", "walk*"}, {"daemon-reload"}, {"reset-failed"},
		append([]string{"start"}, names...),
	} {
		_ = w.systemctl(argv...) // what it cannot do is in the verdict of both
	}
	return err
}

func (w *world) config() string { return filepath.Join(w.Home, ".config/stackpolicy/config.yaml") }

// build makes the declared files the present generation.
func (w *world) build() error {
	built, err := scene.Generation(w.declared).Build(w.StoreDir)
	w.Current = built
	return err
}

// activate links the present generation again.
func (w *world) activate(a generation.Activation) error {
	a.UID, a.GID, a.Force = w.UID, w.GID, []string{""}
	return w.Current.Activate(w.Home, a)
}

func (w *world) systemctl(argv ...string) error {
	w.note("systemctl", argv)
	r := w.Do(w.Command(w.ctx, append([]string{"timeout", "15", "systemctl", "--user", "--no-ask-password"}, argv...)...))
	if r.Code != 0 {
		return errors.New(r.Err)
	}
	return nil
}

// note keeps what a step does.
func (w *world) note(what ...any) { w.did = fmt.Sprint(what...) }

// next returns a name that nothing else has.
func (w *world) next() string { w.planted++; return fmt.Sprintf("walk%d", w.planted) }

// later keeps how a change is undone.
func (w *world) later(what string, do func() error) { w.undos = append(w.undos, undoing{what, do}) }

// put writes a file, which is removed later.
func (w *world) put(path, text string) error {
	w.note("write ", path)
	w.later("remove "+path, func() error { return os.RemoveAll(path) })
	return w.Write(path, text)
}

// link makes a link, which is removed later.
func (w *world) link(target, path string) error {
	w.note("link ", path, " -> ", target)
	w.later("remove "+path, func() error { return os.RemoveAll(path) })
	return w.Link(target, path)
}

// replaceDeclared does something to a declared file, which is linked again later.
func (w *world) replaceDeclared(path string, do func() error) error {
	w.note("replace ", path)
	w.later("activate for "+path, func() error {
		return errors.Join(os.RemoveAll(path), w.activate(generation.Activation{}))
	})
	return errors.Join(os.RemoveAll(path), do())
}

var errNothing = errors.New("nothing is to be undone")

// undo undoes one of the changes.
func (w *world) undo(r *rand.Rand) error {
	if len(w.undos) == 0 {
		return errNothing
	}
	i := r.IntN(len(w.undos))
	u := w.undos[i]
	w.undos = append(w.undos[:i:i], w.undos[i+1:]...)
	err := u.do()
	w.note("undo: ", u.what)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return nil
}
