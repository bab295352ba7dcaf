package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"

	"stackpolicy/lab/generation"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/usermanager"
)

const (
	auditLimit = 90 * time.Second
	stepLimit  = 20 * time.Second
)

// settings are those of the audits: what only slows an attack down is far away.
const settings = `settings:
  restart: ["web*"]
  budget: {unit: 100, host: 100, window: 1h}
  breaker: {failures: 100, cooldown: 1m}
  repeat: {drift: 1000, window: 1h}
  settle: 100ms
`

// world is a user manager with its declared units, and what the attacker has done to it.
type world struct {
	*scene.Scene
	ctx      context.Context
	conn     *dbus.Conn
	argv     []string // the program, and what comes before its arguments
	policy   string   // the settings' folder
	declared map[string]string
	revision int // of the declared texts
	evil     int // number of things planted
	rights   string
	planted  []string // paths

	// What applies to the next audit alone.
	during []func(done <-chan struct{})
	kill   *kill

	containersBad bool
	rulesChanged  bool
	memorySpoiled bool
	hung          bool // the manager answers nobody any more
}

// kill is a signal to the next audit.
type kill struct {
	signal syscall.Signal
	after  time.Duration
}

// managed are the units that are declared, and the units that each may pull in.
var managed = map[string][]string{
	"web.service": {"helper.service"}, "files.service": nil, "feeds.service": nil, "helper.service": nil,
	"inst@a.service": nil, "stackpolicy-audit.service": nil, "stackpolicy-audit.timer": nil,
}

// names are the managed units in a fixed order. The first ones are attacked most.
var names = []string{
	"web.service", "files.service", "feeds.service", "helper.service", "inst@a.service", "stackpolicy-audit.timer", "stackpolicy-audit.service",
}

// wanted are the units that must be active.
var wanted = []string{"web.service", "files.service", "feeds.service", "helper.service", "inst@a.service", "stackpolicy-audit.timer", "default.target"}

const (
	goodContainers = ".podman-good.json"
	declaredDropIn = "files.service.d/declared.conf"
)

// openWorld starts a manager. wrapper, if not "", is the text of a shell script that is
// audited in place of the program; it finds the program as $1.
func openWorld(ctx context.Context, program, wrapper string, options usermanager.Options) (w *world, err error) {
	w = &world{ctx: ctx}
	w.declare()
	if w.Scene, err = scene.Open(ctx, program, options, w.declared); err != nil {
		return nil, err
	}
	if err = w.prepare(wrapper); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *world) prepare(wrapper string) (err error) {
	w.argv = []string{filepath.Join(w.BinDir, "stackpolicy")}
	if wrapper != "" {
		path := filepath.Join(w.BinDir, "wrapper")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+wrapper), 0o755); err != nil {
			return err
		}
		w.argv = append([]string{path}, w.argv...)
	}
	w.policy = filepath.Join(w.Home, "rules")
	if r := w.Stackpolicy(w.ctx, "policy", "copy", w.pristine()); r.Code != 0 {
		return errors.New(r.Err)
	}
	if w.conn, err = w.Dial(w.ctx); err != nil {
		return err
	}
	return w.clean()
}

// pristine is the folder of the built-in rules.
func (w *world) pristine() string { return filepath.Join(w.Home, "built-in") }

// declare sets the declared files to those of the present revision.
func (w *world) declare() {
	rev := fmt.Sprint("revision ", w.revision)
	unit := func(text string) string { return scene.Stamped(strings.ReplaceAll(text, "REV", rev)) }
	in := func(name string) string { return scene.UnitDir + "/" + name }
	w.declared = map[string]string{
		// A restart brings the containers back.
		in("web.service"):    unit("[Unit]\nDescription=REV\nWants=helper.service\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=20\nExecStart=-/bin/cp -f %h/" + goodContainers + " %h/.podman-inspect.json\nExecStartPost=/bin/true verify\n"),
		in("files.service"):  unit("[Unit]\nDescription=REV\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=20\nExecStart=/bin/true\nExecStartPost=/bin/true verify\n"),
		in("feeds.service"):  unit("[Unit]\nDescription=REV\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=20\nExecStart=/bin/true\nExecStartPost=/bin/true verify\n"),
		in("helper.service"): unit("[Unit]\nDescription=REV\n\n[Service]\nExecStart=/bin/sleep infinity\n"),
		in("inst@.service"):  unit("[Unit]\nDescription=REV\n\n[Service]\nExecStart=/bin/sleep infinity\n"),
		// The audits are those of the test, not the timer's.
		in("stackpolicy-audit.service"):              unit("[Unit]\nDescription=REV\n\n[Service]\nType=oneshot\nExecStart=/bin/true\n"),
		in("stackpolicy-audit.timer"):                unit("[Unit]\nDescription=REV\n\n[Timer]\nOnStartupSec=20h\nOnUnitInactiveSec=20h\n"),
		in(declaredDropIn):                           "[Service]\nEnvironment=DECLARED=" + fmt.Sprint(w.revision) + "\n",
		in("default.target.wants/inst@a.service"):    "-> ../inst@.service",
		in("default.target.wants/helper.service"):    "-> ../helper.service",
		".config/environment.d/10-home-manager.conf": "DECLARED=1\n",
	}
}

// edit is a lawful change of some declared units: they are stale until the next reload.
func (w *world) edit(r *rand.Rand) error {
	old := w.declared
	w.revision++
	w.declare()
	for _, name := range names { // some stay as they are
		path := scene.UnitDir + "/" + strings.Replace(name, "@a", "@", 1)
		if r.IntN(2) == 0 {
			w.declared[path] = old[path]
		}
	}
	return w.Activate(w.declared)
}

// want returns the description that the declared text of a unit has.
func (w *world) want(unit string) string {
	text := w.declared[scene.UnitDir+"/"+strings.Replace(unit, "@a", "@", 1)]
	_, text, _ = strings.Cut(text, "Description=")
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// clean removes what was planted, as a person would who knows it all, and starts what is
// wanted. The memory of the audits stays,
// unless it was damaged.
func (w *world) clean() error {
	if w.memorySpoiled {
		if err := w.forget(); err != nil {
			return err
		}
	}
	w.during, w.kill, w.containersBad, w.rulesChanged, w.memorySpoiled = nil, nil, false, false, false
	run := func(argv ...string) {
		_ = w.Do(w.Command(w.ctx, append([]string{"timeout", "10", "systemctl", "--user"}, argv...)...))
	}
	run("stop", "evil*")
	for _, folder := range []string{
		filepath.Join(w.Home, ".config"), filepath.Join(w.Home, ".local/share"), filepath.Join(w.Home, ".evil"), w.policy,
		filepath.Join(w.RuntimeDir, "systemd/user"), filepath.Join(w.RuntimeDir, "systemd/user.control"), filepath.Join(w.RuntimeDir, "systemd/transient"),
		w.Path("/etc/systemd/user"), w.Path("/run/systemd/user"), w.Path("/run/systemd/user-generators"), w.Path("/run/systemd/user-environment-generators"),
	} {
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	if err := empty(w.Path("/etc/systemd")); err != nil {
		return err
	}
	if err := w.restore(); err != nil {
		return err
	}
	time.Sleep(scene.ClockTick)
	run("unset-environment", "EVIL")
	run("daemon-reload")
	run("stop", "evil*") // what was upheld until now
	run("reset-failed")
	run(append([]string{"start"}, wanted...)...)
	return w.awaitIdle()
}

// empty removes what is in a folder, which may be a mount.
func empty(folder string) error {
	entries, err := os.ReadDir(folder)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(folder, e.Name())))
	}
	return err
}

// restore writes what is declared.
func (w *world) restore() error {
	if err := os.MkdirAll(w.Path("/etc/systemd/user"), 0o755); err != nil {
		return err
	}
	if err := w.Activate(w.declared); err != nil {
		return err
	}
	if err := w.Podman(containers()...); err != nil {
		return err
	}
	good, err := os.ReadFile(filepath.Join(w.Home, ".podman-inspect.json"))
	err = errors.Join(err, os.CopyFS(w.policy, os.DirFS(w.pristine())))
	return errors.Join(err, w.Write(filepath.Join(w.Home, goodContainers), string(good)), w.Write(filepath.Join(w.policy, "settings.yaml"), settings))
}

func containers() []scene.Container { return scene.Containers() }

// forget removes all memory of earlier audits, so that an episode is the same whatever
// was before.
func (w *world) forget() error {
	return errors.Join(os.RemoveAll(filepath.Join(w.Home, ".local/state/stackpolicy")), os.RemoveAll(filepath.Join(w.RuntimeDir, "stackpolicy")))
}

// activate links the declared generation again, as it may be done at any time.
func (w *world) activate() error {
	return w.Current.Activate(w.Home, generation.Activation{UID: w.UID, GID: w.GID, Force: []string{""}})
}

// report is the part of a report that the oracle reads.
type report struct {
	ExitCode  int `json:"exit_code"`
	Gaps      []struct{ Collector, Error string }
	Decisions []struct {
		Invariant, Subject, Effect, Severity, Message, Outcome string
	}
	Actions []struct{ Action, Subject, Status, Message string }
}

// audited is one audit, and the manager before and after it.
type audited struct {
	before, after *snapshot
	result        scene.Result
	report        *report // nil: none was printed
	took          time.Duration
	raced, killed bool
}

// errBefore says that the manager did not answer before an audit began. That is the attack's
// doing, such as a reload with a pipe in place: nothing of ours ran since it last answered.
var errBefore = errors.New("the manager did not answer before the audit")

// audit runs an enforcing audit, with what is to happen during it.
func (w *world) audit(args ...string) (*audited, error) {
	before, err := w.look()
	if err != nil {
		return nil, errors.Join(errBefore, err)
	}
	a := &audited{before: before, raced: len(w.during) > 0, killed: w.kill != nil}
	end := w.meanwhile()
	start := time.Now()
	ctx, cancel := context.WithTimeout(w.ctx, auditLimit)
	argv := append([]string{"eval", "--enforce", "-o", "json", "--policy", w.policy}, args...)
	if w.kill != nil {
		argv = append([]string{"timeout", "-s", fmt.Sprint(int(w.kill.signal)), fmt.Sprintf("%.3f", w.kill.after.Seconds())}, append(w.argv, argv...)...)
	} else {
		argv = append(w.argv, argv...)
	}
	a.result = w.Do(w.Command(ctx, argv...))
	cancel()
	a.took = time.Since(start)
	end()
	w.kill = nil
	if r := new(report); json.Unmarshal([]byte(a.result.Out), r) == nil {
		a.report = r
	}
	w.containersBad = w.containersBad && !w.areContainersBack()
	a.after, err = w.look()
	return a, err
}

// areContainersBack reports whether a restart of web.service has brought them back.
func (w *world) areContainersBack() bool {
	now, err1 := os.ReadFile(filepath.Join(w.Home, ".podman-inspect.json"))
	good, err2 := os.ReadFile(filepath.Join(w.Home, goodContainers))
	return err1 == nil && err2 == nil && string(now) == string(good)
}

// meanwhile starts what happens during an audit, and returns a function that ends it.
func (w *world) meanwhile() (end func()) {
	done := make(chan struct{})
	running := make(chan struct{})
	for _, f := range w.during {
		go func() { f(done); running <- struct{}{} }()
	}
	n := len(w.during)
	w.during = nil
	return func() {
		close(done)
		for range n {
			<-running
		}
	}
}
