package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// step is one thing that an attacker, or the owner, does. Its error says that it could not be
// done, which is no failure.
type step struct {
	name   string
	rights []string
	weight int
	do     func(*world, *rand.Rand) error
}

// The attackers are those of docs/threat-model.md.
const (
	otherUser   = "other-user"   // another user of the machine
	unitFolders = "unit-folders" // can write to /etc/systemd/user and the run time folders
	home        = "home"         // can write to the user's folders, and reach nothing else
	manager     = "manager"      // can talk to the user manager
	sameUser    = "same-user"    // can do all that the user can
	container   = "container"    // chooses states, health, names and labels of containers
	rules       = "rules"        // writes the policy folder, and into the user's folders
	document    = "document"     // writes the file for --facts
)

var attackers = []string{otherUser, unitFolders, home, manager, sameUser, container, rules, document}

var (
	anybody  = attackers
	inHome   = []string{home, sameUser, rules}
	anywhere = []string{unitFolders, home, sameUser, rules}
	onBus    = []string{manager, sameUser}
)

var steps = []step{
	{"lawful edit", anybody, 12, func(w *world, r *rand.Rand) error { return w.edit(r) }},
	{"activation again", anybody, 3, func(w *world, r *rand.Rand) error { return w.activate() }},
	{"kill of the audit", anybody, 3, killAudit},

	{"drop-in", anywhere, 10, plantDropIn},
	{"own link", anywhere, 6, plantOwnLink},
	{"link to a unit", anywhere, 4, plantLinkTo},
	{"fragment", anywhere, 8, plantFragment},
	{"alias on disk", anywhere, 6, plantAlias},
	{"target", anywhere, 3, plantAtTarget},
	{"manager file", anywhere, 6, plantManagerFile},
	{"generator", []string{unitFolders}, 5, plantGenerator},
	{"hostile file", anywhere, 6, plantHostile},
	{"old file", inHome, 4, plantOld},
	{"change behind a link", inHome, 4, plantBehind},
	{"swap during the audit", anywhere, 6, plantSwap},
	{"clean-up of one thing", anywhere, 5, removeOne},

	{"start, stop or kill", onBus, 10, actOnUnit},
	{"reload", onBus, 4, func(w *world, r *rand.Rand) error { _, err := w.Systemctl(w.ctx, "daemon-reload"); return err }},
	{"change at run time", onBus, 8, changeAtRunTime},
	{"transient unit", onBus, 4, transient},

	{"memory", []string{sameUser}, 4, spoilMemory},
	{"configuration", []string{sameUser}, 3, spoilConfiguration},
	{"container", []string{container, sameUser}, 12, spoilContainers},
	{"policy folder", []string{rules}, 8, spoilRules},
	{"another user", []string{otherUser}, 12, tryAsOther},
	{"document", []string{document}, 12, judgeDocument},
}

func stepsOf(rights string) (all []step) {
	for _, s := range steps {
		if slices.Contains(s.rights, rights) {
			all = append(all, s)
		}
	}
	return all
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// unitName draws a managed unit, the first ones more often.
func unitName(r *rand.Rand) string { return names[min(r.IntN(len(names)), r.IntN(len(names)))] }

// next returns a name that nothing else has. The oracle knows what is planted by it.
func (w *world) next() string { w.evil++; return fmt.Sprintf("evil%d", w.evil) }

// folders returns the unit folders that an attacker can write to.
func (w *world) folders(rights string) []string {
	user := []string{w.Unit("."), w.Unit("."), filepath.Join(w.Home, ".local/share/systemd/user"), filepath.Join(w.Home, ".config/systemd/user.control")}
	system := []string{w.Path("/etc/systemd/user"), w.Path("/run/systemd/user")}
	for _, name := range []string{"user", "user.control", "transient", "generator", "generator.early", "generator.late"} {
		system = append(system, filepath.Join(w.RuntimeDir, "systemd", name))
	}
	switch rights {
	case unitFolders:
		return system
	case sameUser:
		return append(user, system[2:]...)
	}
	return user
}

// put writes a file, with its folders.
func (w *world) put(path, text string) error {
	if err := w.Write(path, text); err != nil {
		return err
	}
	w.planted = append(w.planted, path)
	return nil
}

func (w *world) link(target, path string) error {
	if err := w.Link(target, path); err != nil {
		return err
	}
	w.planted = append(w.planted, path)
	return nil
}

// victim writes a unit that nothing should start, and returns its name.
func (w *world) victim(folder, evil string) string {
	_ = w.Write(filepath.Join(folder, evil+".service"), "[Unit]\nDescription="+evil+"\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n")
	return evil + ".service"
}

// content returns the text of a drop-in that the manager shows in some property.
func (w *world) content(r *rand.Rand, folder, evil string) string {
	v := w.victim(folder, evil)
	return pick(r,
		"[Service]\nEnvironment="+evil+"=1\n", "[Unit]\nDescription="+evil+"\n", "[Unit]\nWants="+v+"\n", "[Unit]\nRequires="+v+"\n",
		"[Unit]\nUpholds="+v+"\n", "[Unit]\nBindsTo="+v+"\n", "[Unit]\nOnFailure="+v+"\n", "[Service]\nExecStartPost=/bin/true "+evil+"\n",
		"[Unit]\nWants=feeds.service files.service\n", "[Service]\nExecStart=\nExecStart=/bin/true "+evil+"\n", "[Unit]\nConflicts="+v+"\n", "",
	)
}

// dropInFolders returns the names of the folders of drop-ins of a unit.
func dropInFolders(unit string) []string {
	stem, kind := strings.TrimSuffix(unit, filepath.Ext(unit)), filepath.Ext(unit)
	all := []string{unit, unit, unit, kind[1:]}
	if at := strings.Index(stem, "@"); at > 0 {
		all = append(all, stem[:at]+"@"+kind)
	}
	for i, c := range stem {
		if c == '-' {
			all = append(all, stem[:i+1]+kind)
		}
	}
	return all
}

func plantDropIn(w *world, r *rand.Rand) error {
	folder, unit, evil := pick(r, w.folders(w.rights)...), unitName(r), w.next()
	name := pick(r, evil+".conf", "zz-"+evil+".conf", "declared.conf", "a b"+evil+".conf", "line\n"+evil+".conf", "\xff"+evil+".conf", "\u202e"+evil+".conf")
	path := filepath.Join(folder, pick(r, dropInFolders(unit)...)+".d", name)
	if r.IntN(4) == 0 {
		text := filepath.Join(w.Home, ".evil", evil+".txt")
		return errors.Join(w.Write(text, w.content(r, folder, evil)), w.link(pick(r, text, text, "/dev/null"), path))
	}
	return w.put(path, w.content(r, folder, evil))
}

func plantOwnLink(w *world, r *rand.Rand) error {
	folder, unit, evil := pick(r, w.folders(w.rights)...), unitName(r), w.next()
	kind := pick(r, ".wants", ".requires", ".upholds")
	v := w.victim(folder, evil)
	if r.IntN(4) == 0 {
		v = pick(r, "feeds.service", "helper.service", "files.service")
	}
	return w.link(pick(r, "../"+v, filepath.Join(folder, v), "/dev/null", "../gone.service"), filepath.Join(folder, pick(r, dropInFolders(unit)...)+kind, v))
}

func plantLinkTo(w *world, r *rand.Rand) error {
	folder, unit, evil := pick(r, w.folders(w.rights)...), unitName(r), w.next()
	owner := pick(r, w.victim(folder, evil), "basic.target", "default.target", "timers.target")
	path := filepath.Join(folder, owner+pick(r, ".wants", ".requires", ".upholds"), unit)
	return w.link(pick(r, w.Unit(unit), "/dev/null", "../gone.service", w.Unit(evil+".service")), path)
}

func plantFragment(w *world, r *rand.Rand) error {
	folder, unit, evil := pick(r, w.folders(w.rights)...), strings.Replace(unitName(r), "@a", "@", 1), w.next()
	path := filepath.Join(folder, unit)
	text := "[Unit]\nDescription=" + evil + "\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Timer]\nOnCalendar=yearly\n"
	switch r.IntN(9) {
	case 0:
		return w.link("/dev/null", path)
	case 1:
		return w.link(unit, path) // a loop
	case 2:
		return w.link(filepath.Join(w.Home, ".evil/gone"), path)
	case 3:
		return errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o755))
	case 4:
		return os.Remove(path)
	case 5:
		other := filepath.Join(w.Home, ".evil", evil, unit)
		return errors.Join(w.Write(other, text), w.link(other, path))
	case 6:
		return w.put(path, "")
	}
	return w.put(path, text)
}

func plantAlias(w *world, r *rand.Rand) error {
	folder, unit, evil := pick(r, w.folders(w.rights)...), unitName(r), w.next()
	alias := evil + filepath.Ext(unit)
	target := w.Unit(strings.Replace(unit, "@a", "@", 1))
	if strings.Contains(unit, "@") {
		alias = evil + "@" + pick(r, "", "a") + filepath.Ext(unit)
	}
	err := w.link(pick(r, target, target, unit), filepath.Join(folder, alias))
	where := pick(r, w.folders(w.rights)...)
	switch r.IntN(4) {
	case 0:
		return err
	case 1:
		return errors.Join(err, w.link("../"+w.victim(where, evil+"0"), filepath.Join(where, alias+pick(r, ".wants", ".requires", ".upholds"), evil+"0.service")))
	}
	return errors.Join(err, w.put(filepath.Join(where, alias+".d", evil+".conf"), w.content(r, where, evil)))
}

// plantAtTarget adds a unit of its own to a target, or a setting to what managed units are
// in. Nothing promises to find it, but no audit may start it.
func plantAtTarget(w *world, r *rand.Rand) error {
	folder, evil := pick(r, w.folders(w.rights)...), w.next()
	target := pick(r, "default.target", "basic.target", "timers.target", "app.slice")
	v := w.victim(folder, evil)
	if r.IntN(3) == 0 {
		return w.put(filepath.Join(folder, target+".d", evil+".conf"), pick(r, "[Unit]\nUpholds="+v+"\n", "[Unit]\nWants="+v+"\n", "[Unit]\nRequires="+v+"\n"))
	}
	return w.link("../"+v, filepath.Join(folder, target+pick(r, ".wants", ".requires", ".upholds"), v))
}

func plantManagerFile(w *world, r *rand.Rand) error {
	evil := w.next()
	environment, configuration := "EVIL="+evil+"\n", fmt.Sprintf("[Manager]\nDefaultTimeoutStopSec=%d\n", 100+w.evil)
	if w.rights == unitFolders { // root's own files are the administrator's: these are not
		kind := pick(r, "user-environment-generators", "user.conf.d", "user-environment-generators")
		path := filepath.Join(w.Path(pick(r, "/etc/systemd", "/run/systemd")), kind, evil+".conf")
		text := configuration
		if kind == "user-environment-generators" {
			text = "#!/bin/sh\necho EVIL=" + evil + "\n"
		}
		err := w.put(path, text)
		if r.IntN(2) == 0 {
			err = errors.Join(err, os.Lchown(path, 0, 0), os.Chmod(path, 0o777))
		}
		return errors.Join(err, os.Chmod(path, 0o755|pick(r, os.FileMode(0), 0o002)))
	}
	config := filepath.Join(w.Home, ".config")
	switch r.IntN(5) {
	case 0:
		return w.put(filepath.Join(config, "systemd/user.conf"), configuration)
	case 1:
		return w.put(filepath.Join(config, "systemd/user.conf.d", evil+".conf"), configuration)
	case 2: // a folder in place of another
		away := filepath.Join(w.Home, ".evil", evil)
		err := w.Write(filepath.Join(away, evil+".conf"), environment)
		return errors.Join(err, os.RemoveAll(filepath.Join(config, "environment.d")), w.link(away, filepath.Join(config, "environment.d")))
	}
	return w.put(filepath.Join(config, "environment.d", evil+pick(r, ".conf", "\xff.conf", "\n.conf")), environment)
}

// plantGenerator writes a generator that others than root can change.
func plantGenerator(w *world, r *rand.Rand) error {
	evil, unit := w.next(), unitName(r)
	path := filepath.Join(w.Path(pick(r, "/etc/systemd", "/run/systemd")), "user-generators", evil)
	folder := pick(r, "$1", "$2", "$3")
	text := fmt.Sprintf("#!/bin/sh\nmkdir -p \"%[1]s/%[2]s.d\"\nprintf '[Unit]\\nDescription=%[3]s\\n' >\"%[1]s/%[2]s.d/%[3]s.conf\"\n", folder, unit, evil)
	return errors.Join(w.put(path, text), os.Chmod(path, 0o755))
}

// plantHostile writes something that is no file, or that is too much of one, where a file is
// expected.
func plantHostile(w *world, r *rand.Rand) error {
	folder, evil := pick(r, w.folders(w.rights)...), w.next()
	path := filepath.Join(folder, pick(r,
		unitName(r)+".d/"+evil+".conf", unitName(r)+".d", unitName(r)+".wants", evil+".service", "\xff"+evil+".service",
		unitName(r)+".d/\xff\xfe"+evil+".conf", strings.Repeat("x", 240)+".service", "service.d/"+evil+".conf"))
	if _, err := os.Lstat(path); err == nil {
		return errors.New("there is something")
	}
	if err := w.Write(path, ""); err != nil {
		return err
	}
	w.planted = append(w.planted, path)
	switch r.IntN(6) {
	case 0:
		return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o666))
	case 1:
		return os.Truncate(path, 5<<30)
	case 2:
		return w.Link(filepath.Base(path), path)
	case 3:
		return errors.Join(os.Remove(path), unix.Mknod(path, unix.S_IFSOCK|0o666, 0))
	case 4:
		for i := range 400 {
			if err := w.Write(fmt.Sprintf("%s.d/%s-%d.conf", strings.TrimSuffix(path, ".d"), evil, i), "[Unit]\n"); err != nil {
				return err
			}
		}
		return nil
	}
	return w.Write(path, strings.Repeat("[Unit]\nDescription="+evil+"\n", 10_000))
}

// plantOld plants what has an old time.
func plantOld(w *world, r *rand.Rand) error {
	unit, evil := unitName(r), w.next()
	away := filepath.Join(w.Home, ".evil", evil)
	old := time.Now().Add(-1000 * time.Hour)
	err := w.Write(filepath.Join(away, evil+".conf"), w.content(r, w.Unit("."), evil))
	err = errors.Join(err, os.Chtimes(filepath.Join(away, evil+".conf"), old, old), os.Chtimes(away, old, old))
	time.Sleep(20 * time.Millisecond)
	to := w.Unit(unit + ".d")
	w.planted = append(w.planted, to)
	return errors.Join(err, os.RemoveAll(to), os.Rename(away, to))
}

// plantBehind plants a link, waits, and changes the file that it leads to.
func plantBehind(w *world, r *rand.Rand) error {
	unit, evil := unitName(r), w.next()
	file := filepath.Join(w.Home, ".evil", evil, evil+".conf")
	err := w.Write(file, "[Unit]\n")
	if r.IntN(2) == 0 {
		err = errors.Join(err, w.link(file, w.Unit(unit+".d/"+evil+".conf")))
	} else {
		err = errors.Join(err, w.link(filepath.Dir(file), w.Unit(unit+".d")))
	}
	if r.IntN(2) == 0 {
		_, _ = w.Systemctl(w.ctx, "daemon-reload") // as it happens at any time
	}
	return errors.Join(err, os.WriteFile(file, []byte(w.content(r, w.Unit("."), evil)), 0o644))
}

// plantSwap changes a file back and forth during the next audit.
func plantSwap(w *world, r *rand.Rand) error {
	unit, evil := unitName(r), w.next()
	text := "[Unit]\nDescription=" + evil + "\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Timer]\nOnCalendar=yearly\n"
	file := filepath.Join(w.Home, ".evil", evil, unit)
	path := w.Unit(unit)
	isDropIn := r.IntN(2) == 0 || strings.Contains(unit, "@")
	if isDropIn {
		path, text = filepath.Join(pick(r, w.folders(w.rights)...), unit+".d", evil+".conf"), w.content(r, w.Unit("."), evil)
	} else if w.rights == unitFolders {
		path = filepath.Join(w.Path("/run/systemd/user"), unit)
	}
	if err := w.Write(file, text); err != nil {
		return err
	}
	good, _ := os.Readlink(path)
	first, pause := time.Duration(r.IntN(1500))*time.Millisecond, time.Duration(1+r.IntN(60))*time.Millisecond
	times, stay := 1+r.IntN(10), r.IntN(2) == 0
	w.planted = append(w.planted, path)
	w.during = append(w.during, func(done <-chan struct{}) {
		wait := func(d time.Duration) bool {
			select {
			case <-done:
				return false
			case <-time.After(d):
				return true
			}
		}
		for i := 0; i < times && wait(first); i++ {
			_ = w.Link(file, path)
			first = pause
			if isLast := i == times-1; isLast && stay || !wait(pause) {
				return
			}
			if good == "" {
				_ = os.Remove(path)
			} else {
				_ = w.Link(good, path)
			}
		}
	})
	return nil
}

// removeOne removes one thing that was planted, or links the generation again.
func removeOne(w *world, r *rand.Rand) error {
	if len(w.planted) == 0 {
		return errors.New("nothing is planted")
	}
	i := r.IntN(len(w.planted))
	path := w.planted[i]
	w.planted = slices.Delete(w.planted, i, i+1)
	return errors.Join(os.RemoveAll(path), w.activate())
}

func killAudit(w *world, r *rand.Rand) error {
	w.kill = &kill{pick(r, syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP), time.Duration(1+r.IntN(900)) * time.Millisecond}
	return nil
}
