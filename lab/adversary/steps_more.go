package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"stackpolicy/lab/scene"
)

func (w *world) systemctl(argv ...string) error {
	r := w.Do(w.Command(w.ctx, append([]string{"timeout", "15", "systemctl", "--user", "--no-ask-password"}, argv...)...))
	if r.Code != 0 {
		return errors.New(r.Err)
	}
	return nil
}

func actOnUnit(w *world, r *rand.Rand) error {
	unit := pick(r, unitName(r), unitName(r), "default.target", "basic.target")
	verb := pick(r, "stop", "stop", "start", "restart", "kill", "reset-failed", "reload-or-restart")
	if verb == "kill" {
		return w.systemctl("kill", "-s", pick(r, "KILL", "TERM", "USR1"), unit)
	}
	return w.systemctl(verb, unit)
}

func changeAtRunTime(w *world, r *rand.Rand) error {
	unit := unitName(r)
	switch r.IntN(7) {
	case 0:
		return w.systemctl("set-property", pick(r, "--runtime", "--no-block"), unit, "Description="+w.next())
	case 1:
		return w.systemctl("set-property", "--runtime", unit, "Wants="+w.victim(w.Unit("."), w.next()))
	case 2:
		return w.systemctl("mask", "--runtime", "--no-reload", unit)
	case 3:
		return w.systemctl(pick(r, "disable", "enable"), "--no-reload", unit)
	case 4:
		return w.systemctl(pick(r, "add-wants", "add-requires"), "--no-reload", unit, w.victim(w.Unit("."), w.next()))
	case 5:
		return w.systemctl("set-property", unit, "TasksMax=100")
	}
	return w.systemctl("revert", unit)
}

func transient(w *world, r *rand.Rand) error {
	evil := w.next()
	argv := []string{
		"timeout", "15", "systemd-run", "--user", "--no-block", "--unit=" + evil, "--remain-after-exit",
		pick(r, "--property=Wants=", "--property=Upholds=", "--property=Before=", "--property=PropagatesStopTo=") + unitName(r), "/bin/true",
	}
	if res := w.Do(w.Command(w.ctx, argv...)); res.Code != 0 {
		return errors.New(res.Err)
	}
	return nil
}

// spoilMemory deletes or damages what earlier audits wrote.
func spoilMemory(w *world, r *rand.Rand) error {
	w.memorySpoiled = true
	state := filepath.Join(w.Home, ".local/state/stackpolicy")
	history := filepath.Join(state, "history.db")
	switch r.IntN(6) {
	case 0:
		return os.RemoveAll(state)
	case 1:
		return os.Remove(history)
	case 2:
		return os.Truncate(history, int64(r.IntN(5000)))
	case 3:
		return w.Write(history, "evil")
	case 4:
		return errors.Join(os.RemoveAll(history), unix.Mkfifo(history, 0o666))
	}
	locks := filepath.Join(w.RuntimeDir, "stackpolicy")
	return errors.Join(os.RemoveAll(locks), w.Link(filepath.Join(w.Home, ".evil"), locks))
}

func spoilConfiguration(w *world, r *rand.Rand) error {
	path := filepath.Join(w.Home, ".config/stackpolicy", pick(r, "config.yaml", "config.yaml", "facts.d/evil.json"))
	w.planted = append(w.planted, path)
	switch r.IntN(5) {
	case 0:
		return errors.Join(w.Write(path, ""), os.Remove(path), unix.Mkfifo(path, 0o666))
	case 1:
		return w.Link("config.yaml", path)
	case 2:
		return errors.Join(w.Write(path, ""), os.Truncate(path, 3<<30))
	case 3:
		return w.Write(path, "{\"evil\": [\x00\xff\n")
	}
	return w.Link("/dev/zero", path)
}

// spoilContainers changes what podman says.
func spoilContainers(w *world, r *rand.Rand) error {
	all := scene.Containers()
	w.containersBad = false
	hostile := []string{
		"", "evil.service", "web.service\n", "../../etc/passwd", "\x1b]0;evil\a", "\u202eevil", strings.Repeat("x", 1<<20), "stackpolicy-audit.timer",
		"default.target", "<script>evil</script>", "web.service web.service",
	}
	for range 1 + r.IntN(3) {
		c := &all[r.IntN(len(all))]
		isStacks := c.Project != "evil" && c.Project != "" // else no unit is down with it
		switch r.IntN(8) {
		case 0:
			c.State, c.ExitCode = "exited", 1
			w.containersBad = w.containersBad || isStacks
		case 1:
			c.Health = "unhealthy"
			w.containersBad = w.containersBad || c.State == "" && isStacks
		case 2:
			c.Restarts = r.IntN(1 << 30)
		case 3:
			c.Labels = map[string]string{"io.evil." + pick(r, hostile...): pick(r, hostile...), "com.docker.compose.depends_on": pick(r, hostile...)}
		case 4:
			all = append(all, scene.Container{Name: "evil" + fmt.Sprint(r.IntN(9)), Unit: pick(r, hostile...), Project: pick(r, "web", "files", "evil", ""), Service: pick(r, hostile...), State: pick(r, "running", "exited", "dead", "evil")})
		case 5: // of the name alone nothing follows
			c.Name = pick(r, hostile...)
		case 6:
			c.RestartPolicy, c.AutoUpdate = pick(r, hostile...), pick(r, hostile...)
		case 7:
			c.State = pick(r, "paused", "dead", "created", "removing", "evil")
			w.containersBad = w.containersBad || isStacks && c.Service != "migrate" // which has ended
		}
	}
	return w.Podman(all...)
}

// spoilRules writes rules that find nothing, and rules that ask for every action.
func spoilRules(w *world, r *rand.Rand) error {
	w.rulesChanged = true
	asks := `# METADATA
# title: %[1]s
# description: asks for an action
# schemas:
#   - input: schema.facts
# custom:
#   class: %[2]s
#   severity: ticket
#   needs: [units.loaded, manager]
#   actions: [%[3]s]
#   runbook: %[1]s.md
package stackpolicy.invariants.%[1]s

finding contains {
	"subject": unit.name, "effect": "heal", "severity": "ticket", "message": "evil",
	"evidence": {"case": "evil", "expected": "", "found": ""}, "action": "%[3]s",
} if {
	some unit in input.units
	%[4]s
}
`
	name := pick(r, "evil_rule", "dropins_owned", "links_resolve", "file_declared", "fragment_in_user_dir", "loaded_is_current", "manager_environment_owned", "wanted_is_running")
	action := pick(r, "restart", "restart", "daemon-reload", "daemon-reload", "reset-failed")
	folder := filepath.Join(w.policy, "invariants", name)
	text := fmt.Sprintf(asks, name, pick(r, "host", "provenance", "runtime"), action, pick(r, "true", `unit.managed_by != ""`, "false", `startswith(unit.name, "web")`))
	if r.IntN(15) == 0 {
		text = strings.Replace(text, "some unit in input.units", "some unit in input.units\n\tcount(numbers.range(1, 100000000)) > 1", 1)
	}
	free := strings.Replace(settings, `["web*"]`, pick(r, `["*"]`, `["web*", "evil*"]`, `["*.service", "*.timer"]`), 1)
	return errors.Join(
		w.Write(filepath.Join(folder, name+".rego"), text), w.Write(filepath.Join(folder, name+".md"), "# evil\n"),
		w.Write(filepath.Join(w.policy, "settings.yaml"), free))
}

// other is an account that has no rights here.
const other = "65534"

// tryAsOther does as another user of the machine what a user may do in a shared folder, and
// tries to plant into every folder.
func tryAsOther(w *world, r *rand.Rand) error {
	evil := w.next()
	script := ""
	for _, folder := range append(w.folders(home), w.folders(unitFolders)[2:]...) {
		script += fmt.Sprintf("mkdir -p %[1]s/web.service.d; echo '[Unit]\nDescription=%[2]s' >%[1]s/web.service.d/%[2]s.conf; ln -s /dev/null %[1]s/%[2]s.service\n", folder, evil)
	}
	script += fmt.Sprintf("rm -rf %[1]s/.local/state/stackpolicy %[2]s/stackpolicy; kill -9 %[3]d -1; systemctl --user daemon-reload; systemctl --user stop web.service\n", w.Home, w.RuntimeDir, w.PID)
	w.Do(w.RootCommand(w.ctx, "timeout", "10", "setpriv", "--reuid", other, "--regid", other, "--clear-groups", "sh", "-c", script))
	switch r.IntN(3) {
	case 0: // the owner was careless: everybody may write here
		folder := w.Unit("web.service.d")
		path := filepath.Join(folder, evil+".conf")
		err := errors.Join(w.put(path, w.content(r, w.Unit("."), evil)), os.Lchown(path, 65534, 65534))
		return errors.Join(err, os.Chmod(folder, 0o777))
	case 1:
		w.planted = append(w.planted, w.Unit("web.service"))
		err := w.put(w.Unit("web.service"), "[Unit]\nDescription="+evil+"\n[Service]\nExecStart=/bin/true\n")
		return errors.Join(err, os.Chmod(w.Unit("web.service"), 0o666))
	}
	return nil
}

// judgeDocument gives an altered document to eval --facts. It is judged or refused, and
// nothing is done.
func judgeDocument(w *world, r *rand.Rand) error {
	res := w.Do(w.Command(w.ctx, append(w.argv, "facts")...))
	if res.Code != 0 {
		return errors.New(res.Err)
	}
	text := []byte(res.Out)
	for range r.IntN(20) {
		i := r.IntN(len(text))
		switch r.IntN(4) {
		case 0:
			text[i] = byte(r.IntN(256))
		case 1:
			text = append(text[:i:i], text[min(len(text), i+r.IntN(200)):]...)
		case 2:
			text = bytes.Replace(text, []byte("true"), []byte("false"), r.IntN(3))
		case 3:
			text = bytes.Replace(text, []byte(`"active"`), []byte(pick(r, `"failed"`, `"inactive"`, `null`, `7`, `"\u001b[2J"`)), r.IntN(3))
		}
	}
	path := filepath.Join(w.Home, "document.json")
	if err := w.Write(path, string(text)); err != nil {
		return err
	}
	before, err := w.look()
	if err != nil {
		return err
	}
	for _, more := range [][]string{nil, {"--enforce"}} {
		argv := append([]string{"timeout", "30"}, append(w.argv, append([]string{"eval", "-o", "json", "--facts", path}, more...)...)...)
		res := w.Do(w.Command(w.ctx, argv...))
		if res.Code > 3 || res.Code < 0 || strings.Contains(res.Err, "goroutine ") || more != nil && res.Code != 3 {
			return violation{fmt.Sprintf("a document: status %d of eval --facts %v: %.500s", res.Code, more, res.Err)}
		}
	}
	after, err := w.look()
	if err == nil && after.loadedAt != before.loadedAt {
		return violation{"a document made the program reload the manager"}
	}
	return err
}

// violation is an error of a step that is a broken promise.
type violation struct{ string }

func (v violation) Error() string { return v.string }
