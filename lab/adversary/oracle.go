package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"stackpolicy/internal/unitfile"
	"stackpolicy/lab/scene"
)

const managerName = "org.freedesktop.systemd1"

// snapshot is the state of the manager, as it says itself.
type snapshot struct {
	undeclared map[string]string // what is in force and not declared -> the unit that it is about, or host
	active     map[string]bool   // units that run or are being started
	revision   map[string]string // the description of each managed unit as loaded
	loadedAt   uint64            // when the manager last read unit files
}

func (w *world) call(ctx context.Context, path dbus.ObjectPath, method string, args ...any) *dbus.Call {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	return w.conn.Object(managerName, path).CallWithContext(ctx, method, 0, args...)
}

func (w *world) properties(path dbus.ObjectPath, iface string) (map[string]dbus.Variant, error) {
	var all map[string]dbus.Variant
	err := w.call(w.ctx, path, "org.freedesktop.DBus.Properties.GetAll", managerName+"."+iface).Store(&all)
	return all, err
}

const managerPath = dbus.ObjectPath("/org/freedesktop/systemd1")

// awaitIdle waits until no job is queued.
func (w *world) awaitIdle() error {
	for range 1000 {
		all, err := w.properties(managerPath, "Manager")
		if err != nil {
			return fmt.Errorf("ask the manager: %w", err)
		}
		if jobs, _ := all["NJobs"].Value().(uint32); jobs == 0 {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil // a unit that another one upholds may be started for ever
}

// look asks the manager for everything.
func (w *world) look() (*snapshot, error) {
	if err := w.awaitIdle(); err != nil {
		return nil, err
	}
	s := &snapshot{undeclared: map[string]string{}, active: map[string]bool{}, revision: map[string]string{}}
	all, err := w.properties(managerPath, "Manager")
	if err != nil {
		return nil, fmt.Errorf("ask the manager: %w", err)
	}
	s.host(all)
	if err := w.lookForActive(s); err != nil {
		return nil, err
	}
	if waits, err := w.wouldWait(all); waits || err != nil {
		return s, err
	}
	for _, name := range names {
		if err := w.lookAt(s, name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// wouldWait reports whether the manager may wait for ever for a file, asked for a unit: also
// for one in memory, as NeedDaemonReload opens its drop-ins. If the audits overlook such a
// file, so does this, and then the manager answers nobody.
func (w *world) wouldWait(manager map[string]dbus.Variant) (bool, error) {
	path, _ := manager["UnitPath"].Value().([]string)
	index, err := unitfile.ReadIndex(w.ctx, path)
	return err == nil && index.Waiting() != "", err
}

var evilWord = regexp.MustCompile(`evil[0-9]+`)

// host records what is in force in the manager itself.
func (s *snapshot) host(all map[string]dbus.Variant) {
	s.loadedAt, _ = all["UnitsLoadTimestampMonotonic"].Value().(uint64)
	for _, word := range evilWord.FindAllString(fmt.Sprint(all["Environment"].Value()), -1) {
		s.undeclared["the manager's environment has "+word] = "host"
	}
	if v, _ := all["DefaultTimeoutStopUSec"].Value().(uint64); v != 90_000_000 {
		s.undeclared[fmt.Sprintf("the manager's DefaultTimeoutStopUSec is %d", v)] = "host"
	}
}

// pulling are the properties by which a unit pulls in others.
var pulling = []string{"Wants", "Requires", "BindsTo", "Upholds", "OnFailure", "OnSuccess", "PropagatesReloadTo", "Triggers", "Conflicts"}

func (w *world) lookAt(s *snapshot, name string) error {
	var path dbus.ObjectPath
	if err := w.call(w.ctx, managerPath, managerName+".Manager.LoadUnit", name).Store(&path); err != nil {
		return fmt.Errorf("ask for %s: %w", name, err)
	}
	unit, err := w.properties(path, "Unit")
	if err != nil {
		if w.ctx.Err() != nil {
			return w.ctx.Err()
		}
		s.undeclared[name+": the manager cannot say what it is"] = name // a name that is not UTF-8
		return nil
	}
	text := func(property string) string { v, _ := unit[property].Value().(string); return v }
	list := func(property string) []string { v, _ := unit[property].Value().([]string); return v }
	s.revision[name] = text("Description")
	say := func(format string, args ...any) { s.undeclared[name+": "+fmt.Sprintf(format, args...)] = name }
	if text("LoadState") != "loaded" {
		say("it is %s", text("LoadState"))
	} else if want := w.Unit(strings.Replace(name, "@a", "@", 1)); text("FragmentPath") != want {
		say("it is loaded from %q", text("FragmentPath"))
	}
	for _, d := range list("DropInPaths") {
		if d != w.Unit(declaredDropIn) && !strings.HasPrefix(d, "/usr/lib/systemd/user/") {
			say("drop-in %q", d)
		}
	}
	for _, property := range pulling {
		for _, other := range list(property) {
			_, isManaged := managed[other]
			foreign := evilWord.MatchString(other) || isManaged && !slices.Contains(managed[name], other)
			own := property == "Triggers" && other == "stackpolicy-audit.service"
			if foreign && !own {
				say("%s=%s", property, other)
			}
		}
	}
	if slices.Contains(wanted, name) && text("LoadState") == "loaded" && !isPulled(list("WantedBy")) && s.active["default.target"] && s.active["timers.target"] {
		say("nothing wants it")
	}
	kind := strings.ToUpper(filepath.Ext(name)[1:2]) + filepath.Ext(name)[2:]
	more, err := w.properties(path, kind)
	if err != nil {
		say("the manager cannot say what it is")
		return nil
	}
	for _, word := range evilWord.FindAllString(fmt.Sprint(unit["Description"], more), -1) {
		say("it has %s", word)
	}
	return nil
}

// isPulled reports whether the target that is declared to want a unit does. One that is
// not loaded wants nothing.
func isPulled(wantedBy []string) bool {
	return slices.Contains(wantedBy, "default.target") || slices.Contains(wantedBy, "timers.target")
}

// lookForActive records which units run.
func (w *world) lookForActive(s *snapshot) error {
	var rows [][]any
	if err := w.call(w.ctx, managerPath, managerName+".Manager.ListUnits").Store(&rows); err != nil {
		return fmt.Errorf("list units: %w", err)
	}
	for _, row := range rows {
		name, _ := row[0].(string)
		state, _ := row[3].(string)
		s.active[name] = slices.Contains([]string{"active", "activating", "reloading"}, state)
	}
	return nil
}

// judge returns what an audit did that it must not do; none if it kept its promises.
func (w *world) judge(a *audited, isPolicyOurs bool) []string {
	var bad []string
	fail := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	if a.took >= auditLimit {
		fail("the audit hangs: ended after %s", a.took.Round(time.Second))
	}
	if !a.killed {
		bad = append(bad, whole(a)...)
	}
	for _, what := range slices.Sorted(maps.Keys(a.after.undeclared)) {
		if _, was := a.before.undeclared[what]; !was && a.before.loadedAt != a.after.loadedAt && !a.isTold(a.after.undeclared[what]) {
			fail("our reload brought in force: %s", what)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(a.after.undeclared)) {
		if _, was := a.before.undeclared[what]; !was && a.before.loadedAt == a.after.loadedAt && !a.raced {
			fail("the audit brought in force without a reload: %s", what)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.after.active)) {
		if a.after.active[name] && !a.before.active[name] && isStartable(name) && a.before.active["basic.target"] {
			fail("the audit started %s", name)
		}
	}
	if a.report != nil && isPolicyOurs && !a.killed {
		bad = append(bad, w.judgeReport(a)...)
	}
	return bad
}

// isTold reports whether a thing that a reload brought in force is a page of the same
// audit. That is all that can be promised of a file that was changed meanwhile.
func (a *audited) isTold(subject string) bool {
	if !a.raced || a.killed {
		return a.killed && a.raced // nobody was left to tell
	}
	return a.report != nil && a.report.ExitCode == 2 && a.report.isAbout(subject)
}

// isStartable reports whether a unit starts only if somebody starts it. The bus starts by
// itself when it is asked, with all of basic.target.
func isStartable(name string) bool {
	kind := filepath.Ext(name)
	system := []string{"dbus.service", "dbus.socket", "stackpolicy-audit.service"}
	return slices.Contains([]string{".service", ".timer", ".path", ".socket", ".target"}, kind) && !slices.Contains(system, name)
}

// whole returns what is wrong with the way in which the audit ended.
func whole(a *audited) (bad []string) {
	if a.result.Code < 0 || a.result.Code > 3 {
		bad = append(bad, fmt.Sprintf("the audit ended with status %d: %.500s", a.result.Code, a.result.Err))
	}
	if strings.Contains(a.result.Err, "goroutine ") || strings.Contains(a.result.Err, "panic") {
		bad = append(bad, fmt.Sprintf("the audit crashed: %.2000s", a.result.Err))
	}
	switch {
	case a.report == nil && a.result.Code != 3:
		bad = append(bad, fmt.Sprintf("status %d without a report", a.result.Code))
	case a.report != nil && a.report.ExitCode != a.result.Code:
		bad = append(bad, fmt.Sprintf("status %d, but the report says %d", a.result.Code, a.report.ExitCode))
	}
	return bad
}

// judgeReport compares what the report says with what is so.
func (w *world) judgeReport(a *audited) (bad []string) {
	for what, subject := range a.after.undeclared {
		if !a.report.isAbout(subject) {
			bad = append(bad, "in force, and nothing is found about it: "+what)
		}
	}
	slices.Sort(bad)
	for _, d := range a.report.Decisions {
		if d.Outcome != "healed" {
			continue
		}
		if d.Invariant == "loaded_is_current" && a.after.revision[d.Subject] != w.want(d.Subject) && !a.before.isStrange(d.Subject) {
			bad = append(bad, fmt.Sprintf("%s is said to be healed, but runs %q", d.Subject, a.after.revision[d.Subject]))
		}
		for what, subject := range a.after.undeclared {
			if _, was := a.before.undeclared[what]; !was && subject == d.Subject {
				bad = append(bad, fmt.Sprintf("%s is said to be healed, but %s", d.Subject, what))
			}
		}
	}
	if a.report.ExitCode == 0 && !a.raced { // what changed after the last look is for the next audit
		bad = append(bad, w.judgeGreen(a.after)...)
	}
	return bad
}

// isStrange reports whether something undeclared is in force for a unit. It may override what
// is declared, and is a finding of its own.
func (s *snapshot) isStrange(unit string) bool {
	for _, subject := range s.undeclared {
		if subject == unit {
			return true
		}
	}
	return false
}

// isAbout reports whether there is a finding about a subject, or something could not be
// looked at.
func (r *report) isAbout(subject string) bool {
	for _, d := range r.Decisions {
		if d.Subject == subject && d.Effect != "allow" && d.Outcome != "healed" {
			return true
		}
	}
	return len(r.Gaps) > 0 && r.ExitCode >= 2
}

// judgeGreen checks that all is well where the audit says so: now, and after the next
// reload by anybody.
func (w *world) judgeGreen(s *snapshot) (bad []string) {
	bad = append(bad, w.wrong(s, "green, but ")...)
	if w.containersBad {
		bad = append(bad, "green, but a container is down")
	}
	time.Sleep(scene.ClockTick)
	if _, err := w.Systemctl(w.ctx, "daemon-reload"); err != nil && w.ctx.Err() == nil {
		return append(bad, "green, but the manager cannot be reloaded: "+err.Error())
	}
	later, err := w.look()
	if w.ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return append(bad, "green, but after a reload: "+err.Error())
	}
	return append(bad, w.wrong(later, "green, but after a reload ")...)
}

// wrong returns what is not in order in a state.
func (w *world) wrong(s *snapshot, prefix string) (bad []string) {
	for _, what := range slices.Sorted(maps.Keys(s.undeclared)) {
		bad = append(bad, prefix+what)
	}
	for _, name := range wanted {
		if !s.active[name] {
			bad = append(bad, prefix+name+" does not run")
		}
	}
	for _, name := range names {
		if s.revision[name] != w.want(name) {
			bad = append(bad, fmt.Sprintf("%s%s runs %q, want %q", prefix, name, s.revision[name], w.want(name)))
		}
	}
	return bad
}
