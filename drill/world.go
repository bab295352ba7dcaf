package drill

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/lab/scene"
)

// goodContainers is the file from which a start of web.service brings its containers back.
const goodContainers = ".podman-good.json"

const (
	daemon  = "[Service]\nExecStart=/bin/sleep infinity\n"
	command = "[Service]\nType=oneshot\nExecStart=/bin/true\n"
	// A start of a stack brings the containers back, unless APPLY is fail.
	apply = "[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=90\n" +
		"ExecStart=/bin/sh -c '[ \"$APPLY\" != fail ] && { cp -f %h/" + goodContainers + " %h/.podman-inspect.json || true; }'\nExecStartPost=/bin/true verify\n"
)

// wanted are the units that run in the scene.
var wanted = []string{
	"daemon.service", "feeds.service", "files.service", "inst@one.service", "job.timer", "needs.service",
	"on-call.socket", "stackpolicy-audit.timer", "web.service",
}

// managed are the units that the scene declares, besides templates.
var managed = append([]string{
	"done.service", "job.service", "on-call.service", "quiet.service", "stackpolicy-audit.service", "unmet.service",
}, wanted...)

// in returns the path of a file in the unit folder, relative to the home.
func in(name string) string { return path.Join(scene.UnitDir, name) }

// described puts a description before the text of a unit, with which it can be seen which
// text is loaded.
func described(description, text string) string {
	return scene.Stamped("[Unit]\nDescription=" + description + "\n" + strings.TrimPrefix(text, "[Unit]\n"))
}

// declared returns what the scene declares besides the sample stacks: units that are right in
// different ways. The audits are the drill's own, and not those of the timer.
func declared(more map[string]string) map[string]string {
	files := map[string]string{
		in("web.service"):     described("web, first", apply),
		in("files.service"):   described("files, first", apply),
		in("feeds.service"):   described("feeds, first", apply),
		in("daemon.service"):  described("daemon, first", daemon),
		in("needs.service"):   described("needs, first", "[Unit]\nRequires=daemon.service\nAfter=daemon.service\n"+daemon),
		in("inst@.service"):   described("inst, first", daemon),
		in("job.service"):     described("job, first", command),
		in("job.timer"):       described("job timer, first", "[Timer]\nOnCalendar=yearly\n"),
		in("done.service"):    described("done, first", command),
		in("unmet.service"):   described("unmet, first", "[Unit]\nConditionPathExists=/nowhere\n"+command),
		in("quiet.service"):   described("quiet, first", daemon),
		in("on-call.socket"):  described("on call, first", "[Socket]\nListenStream=%t/on-call\n"),
		in("on-call.service"): described("on call, first", command),

		in("stackpolicy-audit.service"): described("audit, first", command),
		in("stackpolicy-audit.timer"):   described("audit timer, first", "[Timer]\nOnStartupSec=20h\nOnUnitInactiveSec=20h\n"),
	}
	for unit, target := range map[string]string{
		"daemon.service": "default.target", "needs.service": "default.target", "inst@one.service": "default.target",
		"done.service": "default.target", "unmet.service": "default.target",
		"job.timer": "timers.target", "on-call.socket": "sockets.target",
	} {
		files[in(target+".wants/"+unit)] = "-> ../" + strings.Replace(unit, "@one", "@", 1)
	}
	maps.Copy(files, more)
	return files
}

// descriptionIn returns the description in the text of a unit; "" if it has none.
func descriptionIn(text string) string {
	for line := range strings.Lines(text) {
		if d, is := strings.CutPrefix(line, "Description="); is {
			return strings.TrimSpace(d)
		}
	}
	return ""
}

// isManaged reports whether the scene declares the unit.
func isManaged(unit string) bool {
	if slices.Contains(managed, unit) {
		return true
	}
	return strings.HasPrefix(unit, "inst@") && filepath.Ext(unit) == ".service"
}

// changed returns the sample containers, with one of them changed.
func changed(name string, change func(*scene.Container)) []scene.Container {
	all := scene.Containers()
	for i := range all {
		if all[i].Name == name {
			change(&all[i])
		}
	}
	return all
}
