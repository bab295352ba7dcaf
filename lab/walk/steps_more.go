package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"stackpolicy/lab/scene"
)

func mode(w *world, r *rand.Rand) error {
	path := pick(r, w.Unit(fileOf(unitName(r))), w.Unit("."), w.Unit("files.service.d"), filepath.Join(w.Home, ".config/stackpolicy"))
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSymlink != 0 {
		return errors.New("it is a link, or gone")
	}
	w.note("chmod 777 ", path)
	w.later("chmod "+path, func() error { return os.Chmod(path, info.Mode().Perm()) })
	return os.Chmod(path, 0o777)
}

func moveFolder(w *world, r *rand.Rand) error {
	path := pick(r, w.Unit("files.service.d"), w.Unit("default.target.wants"), w.Unit("."), filepath.Join(w.Home, ".config/systemd"))
	away := filepath.Join(w.Home, w.next())
	if err := os.Rename(path, away); err != nil {
		return err
	}
	w.note("move ", path)
	if r.IntN(2) == 0 { // by a link to where it is now
		w.note("link ", path, " -> ", away)
		w.later("move back "+path, func() error { return errors.Join(os.Remove(path), os.Rename(away, path)) })
		return os.Symlink(away, path)
	}
	w.later("move back "+path, func() error { return errors.Join(os.RemoveAll(path), os.Rename(away, path)) })
	return nil
}

func managerFile(w *world, r *rand.Rand) error {
	config := filepath.Join(w.Home, ".config")
	switch r.IntN(3) {
	case 0:
		return w.put(filepath.Join(config, "environment.d", w.next()+".conf"), "WALK=1\n")
	case 1:
		return w.put(filepath.Join(config, "systemd/user.conf.d", w.next()+".conf"), "[Manager]\nDefaultTimeoutStopSec=77\n")
	}
	w.later("unset WALK", func() error { return w.systemctl("unset-environment", "WALK") })
	return w.systemctl("set-environment", "WALK=1")
}

func act(w *world, r *rand.Rand) error {
	unit := unitName(r)
	verb := pick(r, "stop", "stop", "stop", "start", "restart", "restart", "kill", "reset-failed")
	if verb == "kill" {
		return w.systemctl("kill", "-s", pick(r, "KILL", "TERM"), unit)
	}
	if verb == "stop" {
		w.later("start "+unit, func() error { return w.systemctl("start", unit) })
	}
	return w.systemctl(verb, unit)
}

// fail lets a stack's unit fail.
func fail(w *world, r *rand.Rand) error {
	unit := pick(r, scene.Stacks()...)
	if err := w.systemctl("set-environment", "APPLY=fail"); err != nil {
		return err
	}
	_ = w.systemctl("restart", unit)
	w.later("mend "+unit, func() error {
		return errors.Join(w.systemctl("reset-failed", unit), w.systemctl("start", unit))
	})
	return w.systemctl("unset-environment", "APPLY")
}

func property(w *world, r *rand.Rand) error {
	unit := unitName(r)
	kind := pick(r, []string{"--runtime"}, nil)
	w.later("revert "+unit, func() error { return w.systemctl("revert", unit) })
	return w.systemctl(append(append([]string{"set-property"}, kind...), unit, pick(r, "CPUWeight=50", "TasksMax=100", "Wants=feeds.service"))...)
}

func transient(w *world, r *rand.Rand) error {
	unit := w.next()
	argv := []string{"timeout", "15", "systemd-run", "--user", "--no-block", "--unit=" + unit}
	argv = append(argv, pick(r, []string{"/bin/true"}, []string{"/bin/false"}, []string{"--remain-after-exit", "/bin/true"}, []string{"--on-active=1s", "/bin/true"},
		[]string{"--property=Wants=" + unitName(r), "/bin/sleep", "1"})...)
	w.note("systemd-run ", argv[5:])
	w.later("stop "+unit, func() error { _ = w.systemctl("stop", unit+".*"); return w.systemctl("reset-failed", unit+".*") })
	if r := w.Do(w.Command(w.ctx, argv...)); r.Code != 0 {
		return errors.New(r.Err)
	}
	return nil
}

func unitFileCommand(w *world, r *rand.Rand) error {
	unit := unitName(r)
	switch r.IntN(3) {
	case 0:
		w.later("unmask "+unit, func() error { return w.systemctl("unmask", "--runtime", unit) })
		return w.systemctl("mask", "--runtime", unit)
	case 1:
		other := unitName(r)
		w.later("remove the link", func() error {
			return errors.Join(os.RemoveAll(w.Unit(unit+".wants/"+other)), os.RemoveAll(w.Unit(unit+".requires/"+other)))
		})
		return w.systemctl(pick(r, "add-wants", "add-requires"), unit, other)
	}
	return w.systemctl("disable", unit)
}

func changeContainers(w *world, r *rand.Rand) error {
	all := slices.Clone(scene.Containers())
	for range 1 + r.IntN(2) {
		c := &all[r.IntN(len(all))]
		switch r.IntN(6) {
		case 0:
			c.State, c.ExitCode = "exited", r.IntN(2)
		case 1:
			c.Health = pick(r, "unhealthy", "starting")
		case 2:
			c.State = pick(r, "paused", "dead", "created")
		case 3:
			all = append(all, scene.Container{Name: w.next(), Unit: pick(r, "web.service", "gone.service", ""), Project: pick(r, "web", "other", ""), Service: "app", AutoUpdate: pick(r, "", "registry")})
		case 4:
			c.Image = fmt.Sprintf("%064d", r.IntN(3))
		case 5:
			all = slices.DeleteFunc(all, func(x scene.Container) bool { return x.Name == c.Name })
		}
	}
	w.note("containers")
	w.later("containers", func() error { return w.Podman(scene.Containers()...) })
	return w.Podman(all...)
}

func quadlet(w *world, r *rand.Rand) error {
	path := filepath.Join(w.Home, ".config/containers/systemd", w.next()+pick(r, ".container", ".volume", ".kube", ".container.d/x.conf"))
	return w.put(path, pick(r, "[Container]\nImage=localhost/sample:1\n", "[Container]\nImage=localhost/sample:1\nWrong=1\n", "[Volume]\n", ""))
}

func linger(w *world, _ *rand.Rand) error {
	path := filepath.Join(w.Path("/var/lib/systemd/linger"), w.Username)
	w.note("no linger")
	w.later("linger", func() error { return os.WriteFile(path, nil, 0o644) })
	return os.Remove(path)
}

func localFacts(w *world, r *rand.Rand) error {
	path := filepath.Join(w.Home, ".config/stackpolicy/facts.d", w.next()+".json")
	return w.put(path, pick(r, `{"backup": "good"}`, `{"backup": `, `[]`, ``))
}

func configure(w *world, r *rand.Rand) error {
	end := time.Now().Add(time.Duration(1+r.IntN(6)) * time.Second).UTC().Format(time.RFC3339)
	text := configuration + pick(r,
		"units: [\"walk*.service\"]\n", "units: [\"*.target\"]\n", "units: [broken\n", "mode: nothing\n", "mode: enforce-not\n",
		fmt.Sprintf("holds: [{unit: %s, reason: walk, owner: walk, until: %s}]\n", unitName(r), end),
		fmt.Sprintf("holds: [{unit: \"*.service\", reason: walk, owner: walk, until: %s}]\n", end),
	)
	if r.IntN(8) == 0 {
		text = "stacks: {web: {compose: [~/web.yaml]}, files: {}, feeds: {unit: side.service}}\npolicies: ~/rules\n"
	}
	w.note("configure ", text[len(configuration)/2:])
	w.later("configure", func() error { return w.Write(w.config(), configuration) })
	if r.IntN(2) == 0 { // in place
		return os.WriteFile(w.config(), []byte(text), 0o644)
	}
	return w.Write(w.config(), text)
}

func changeRules(w *world, r *rand.Rand) error {
	path := filepath.Join(w.Home, "rules/settings.yaml")
	end := time.Now().Add(time.Duration(1+r.IntN(6)) * time.Second).UTC().Format(time.RFC3339)
	text := rules + pick(r,
		"  trust_distribution_dropins: true\n", "  wrong: true\n", "  decide: [{invariant: loaded_is_current, units: [\"*\"], effect: block}]\n",
		"  decide: [{invariant: wanted_is_running, units: [\"web*\"], severity: ticket}]\n", "  grace: {loaded_is_current: 5s}\n", "  grace: [\n",
		fmt.Sprintf("  waivers: [{invariant: \"*\", units: [%q], reason: walk, owner: walk, until: %s}]\n", unitName(r), end),
	)
	w.note("settings ", text[len(rules):])
	w.later("settings", func() error { return w.Write(path, rules) })
	if r.IntN(5) == 0 { // the folder as a whole
		away := filepath.Join(w.Home, w.next())
		return errors.Join(os.Rename(filepath.Dir(path), away), w.Write(path, text))
	}
	return w.Write(path, text)
}

func exempt(w *world, r *rand.Rand) error {
	unit := unitName(r)
	until := time.Now().Add(time.Duration(1+r.IntN(8)) * time.Second).UTC().Format(time.RFC3339Nano)
	invariant := pick(r, "wanted_is_running", "dropins_owned", "loaded_is_current", "file_declared")
	if found := slices.SortedFunc(maps.Keys(w.watch.verdict(nil)), compareAbout); len(found) > 0 && r.IntN(4) > 0 {
		about := pick(r, found...)
		unit, invariant = about.Subject, about.Invariant
	}
	argv := pick(r,
		[]string{"hold", unit, "--until", until, "--reason", "walk"}, []string{"hold", unit, "--for", "1h", "--reason", "walk"},
		[]string{"waive", unit, invariant, "--until", until, "--reason", "walk"}, []string{"waive", unit, invariant, "--for", "1h", "--reason", "walk"},
	)
	w.later("release "+unit, func() error {
		if argv[0] == "hold" {
			w.Stackpolicy(w.ctx, "release", unit)
		} else {
			w.Stackpolicy(w.ctx, "unwaive", unit, invariant)
		}
		return nil
	})
	w.note(argv)
	if res := w.Stackpolicy(w.ctx, argv...); res.Code != 0 {
		return errors.New(res.Err)
	}
	return nil
}

func hangUp(w *world, _ *rand.Rand) error {
	w.note("SIGHUP")
	return w.watch.signal(syscall.SIGHUP)
}
