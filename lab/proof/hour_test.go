package proof

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// standIn is a podman for the units of quadlets: containers and pods do nothing until they
// are stopped.
const standIn = `#!/bin/sh
case "$1 $2" in
"run "*|"kube play") systemd-notify --ready; exec sleep 100000 ;;
"pod start")
  for a; do case $a in --pod-id-file=*) f=${a#--pod-id-file=} ;; esac; done
  setsid sleep 100000 >/dev/null 2>&1 </dev/null &
  echo $! >"${f%.pod-id}.pid" ;;
esac
`

// homelab returns a folder of testdata as files below .config; links have the text "-> TARGET".
func homelab(t *testing.T, name string) map[string]string {
	t.Helper()
	root, files := filepath.Join("../../testdata/homelab", name), map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.Type()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(path)
			files[".config/"+rel] = "-> " + to
			return err
		}
		text, err := os.ReadFile(path)
		files[".config/"+rel] = string(text)
		return err
	})
	if err != nil || len(files) < 15 {
		t.Fatalf("%s: %d files, %v", name, len(files), err)
	}
	return files
}

// house is a stage whose files are a homelab: linked by Home Manager, or plain.
type house struct {
	*stage
	files map[string]string
	links bool
}

func openHouse(t *testing.T, options usermanager.Options, name string, links bool) *house {
	t.Helper()
	nothing := map[string]string{}
	for _, unit := range scene.Stacks() {
		nothing[scene.UnitDir+"/"+unit] = "-"
		nothing[scene.UnitDir+"/default.target.wants/"+unit] = "-"
	}
	nothing[".config/stackpolicy/config.yaml"] = "units: [\"*\"]\n"
	if links {
		nothing[".config/stackpolicy/config.yaml"] = "stacks: {}\n"
	}
	h := &house{remembering(t, options, nothing), nothing, links}
	if !h.hasPodmanGenerator() {
		t.Skip("podman's generator is not installed here")
	}
	h.do(os.WriteFile(h.Path("/usr/bin/podman"), []byte(standIn), 0o755))
	h.do(h.Podman())
	if !links {
		h.do(os.RemoveAll(filepath.Join(h.Home, ".local/state/home-manager")))
	}
	h.put(homelab(t, name))
	h.systemctl("mask", "--runtime", "podman-user-wait-network-online.service")
	h.reload()
	h.systemctl("start", "default.target", "timers.target")
	return h
}

// put writes files of the home; "" removes one. Home Manager makes a new generation.
func (h *house) put(files map[string]string) {
	h.t.Helper()
	settle()
	maps.Copy(h.files, files)
	if h.links {
		maps.DeleteFunc(h.files, func(_, text string) bool { return text == "" })
		h.do(h.Activate(h.files))
		return
	}
	for path, text := range files {
		at := filepath.Join(h.Home, path)
		if to, isLink := strings.CutPrefix(text, "-> "); isLink {
			h.do(h.Link(to, at))
		} else if text == "" {
			h.do(os.Remove(at))
		} else {
			h.do(h.Write(at, text))
		}
	}
}

// edit changes a file of the home.
func (h *house) edit(path, old, other string) {
	h.t.Helper()
	if !strings.Contains(h.files[path], old) {
		h.t.Fatalf("%s has no %q", path, old)
	}
	h.put(map[string]string{path: strings.Replace(h.files[path], old, other, 1)})
}

// event is what happens between two audits, and what the next one finds: the units that it
// heals by a reload, with the case, and other findings.
type event struct {
	name   string
	do     func(*house)
	healed []string
	found  []string
}

const (
	quadlets = ".config/containers/systemd/"
	userDir  = scene.UnitDir + "/"
)

var hours = []struct {
	name   string
	links  bool
	events []event
}{
	{"media", true, []event{
		{name: "nothing"},
		{name: "edited and read again", do: func(h *house) { h.edit(quadlets+"proxy.container", "8080", "8081"); h.reload() }},
		{name: "edited", do: func(h *house) { h.edit(quadlets+"books.container", "registry", "local") }, healed: []string{"books.service changed"}},
		{name: "a template is edited", do: func(h *house) { h.edit(quadlets+"worker@.container", "work %i", "work hard %i") }, healed: []string{"worker@.service changed"}},
		{name: "a write into the unit folder", do: func(h *house) { h.do(h.Write(h.Unit("note.txt"), "no unit")) }},
		{name: "a drop-in of a quadlet is edited", do: func(h *house) { h.edit(quadlets+"proxy.container.d/10-limits.conf", "256m", "512m") }, healed: []string{"proxy.service changed"}},
		{name: "a generation with the same files", do: func(h *house) { h.put(map[string]string{".config/other": "x"}) }},
		{name: "a new quadlet", do: func(h *house) {
			h.put(map[string]string{quadlets + "radio.container": h.files[quadlets+"notes.container"]})
		}, healed: []string{"radio.service unread"}, found: []string{"radio.service wanted_is_running requirement block/page"}},
		{name: "it is started", do: func(h *house) { h.systemctl("start", "radio.service") }},
		{name: "a drop-in of a unit is edited", do: func(h *house) { h.edit(userDir+"books.service.d/nice.conf", "5", "6") }, healed: []string{"books.service changed"}},
		{name: "a key that podman does not know", do: func(h *house) { h.edit(quadlets+"feeds.kube", "[Kube]", "[Kube]\nNoSuchKey=1") }, found: []string{"feeds.service quadlets_generate edited block/page"}},
		{name: "still there", do: func(h *house) { h.do(h.Write(h.Unit("note.txt"), "again")) }, found: []string{"feeds.service quadlets_generate edited block/page"}},
		{name: "corrected", do: func(h *house) { h.edit(quadlets+"feeds.kube", "NoSuchKey=1", "LogDriver=journald") }, healed: []string{"feeds.service changed"}},
		{name: "a quadlet is removed", do: func(h *house) { h.put(map[string]string{quadlets + "radio.container": ""}) }},
		{name: "that is read", do: func(h *house) { h.reload() }, found: []string{"radio.service no_orphans running block/ticket"}},
		{name: "it is stopped", do: func(h *house) { h.systemctl("stop", "radio.service") }},
	}},
	{"office", false, []event{
		{name: "nothing"},
		{name: "edited and read again", do: func(h *house) { h.edit(quadlets+"dns.container", "RestartSec=10", "RestartSec=20"); h.reload() }},
		{name: "edited", do: func(h *house) { h.edit(quadlets+"mail/mail.container", "example.org", "example.com") }, healed: []string{"mail.service stale"}},
		{name: "a write into the unit folder", do: func(h *house) { h.do(h.Write(h.Unit("note.txt"), "no unit")) }},
		{name: "a new quadlet", do: func(h *house) {
			h.put(map[string]string{quadlets + "radio.container": h.files[quadlets+"scan.container"]})
		}, healed: []string{"radio.service unread"}, found: []string{"radio.service wanted_is_running never-started block/page"}},
		{name: "it is started", do: func(h *house) { h.systemctl("start", "radio.service") }},
		{name: "a drop-in for all is edited", do: func(h *house) { h.edit(quadlets+"container.d/50-all.conf", "dotfiles", "files") }, healed: []string{"clean.service changed", "dns.service changed", "mail.service changed", "print@.service changed", "print@attic.service changed", "print@hall.service changed", "radio.service changed", "scan.service changed", "wiki-db.service changed", "wiki-web.service changed"}},
		{name: "a template is edited", do: func(h *house) { h.edit(quadlets+"print@.container", "Printer", "The printer") }, healed: []string{"print@.service changed", "print@attic.service stale", "print@hall.service stale"}},
		{name: "a timer and a slice are edited", do: func(h *house) {
			h.edit(userDir+"clean.timer", "1h", "2h")
			h.edit(userDir+"office-slow.slice", "10", "20")
		}, healed: []string{"clean.timer stale", "office-slow.slice stale"}},
		{name: "a unit of the distribution is masked", do: func(h *house) { h.systemctl("mask", "podman-restart.service") }},
		{name: "a key that podman does not know", do: func(h *house) { h.edit(quadlets+"dns.container", "ReadOnly=true", "NoSuchKey=1") }, found: []string{"dns.service quadlets_generate edited block/page"}},
		{name: "corrected", do: func(h *house) { h.edit(quadlets+"dns.container", "NoSuchKey=1", "ReadOnly=false") }, healed: []string{"dns.service stale"}},
		{name: "a quadlet is removed", do: func(h *house) { h.put(map[string]string{quadlets + "radio.container": ""}) }, found: []string{"radio.service file_declared missing block/page", "radio.service loaded_is_current withheld block/ticket"}},
		{name: "it is stopped, and that is read", do: func(h *house) { h.systemctl("stop", "radio.service"); h.reload() }, found: []string{"host file_declared gone block/ticket"}},
	}},
}

// TestAnHour enforces in two homelabs every five minutes for more than an hour, in which things
// happen that do happen. Each heal that is asked for helps, and no breaker opens.
func TestAnHour(t *testing.T) {
	for _, hour := range hours {
		t.Run(hour.name, func(t *testing.T) {
			systems.One(t, func(t *testing.T, options usermanager.Options) {
				h := openHouse(t, options, hour.name, hour.links)
				h.want("at first", h.enforce(), 0)
				for _, e := range hour.events {
					h.elapse(300)
					if e.do != nil {
						e.do(h)
						settle()
					}
					h.happened(e, h.enforce())
				}
				if open := h.sql("SELECT subject FROM breakers"); len(open) > 0 {
					t.Errorf("open breakers: %v", open)
				}
			})
		})
	}
}

// happened wants what an audit finds after an event, and one reload if something is healed.
func (h *house) happened(e event, r report) {
	h.t.Helper()
	want, actions := slices.Clone(e.found), []string{}
	for _, unit := range e.healed {
		actions = []string{"daemon-reload host done"}
		name, seen, _ := strings.Cut(unit, " ")
		if seen == "unread" {
			want = append(want, name+" fragment_in_user_dir unread heal/healed", name+" no_unread_definition unread heal/healed")
		} else {
			want = append(want, name+" loaded_is_current "+seen+" heal/healed")
		}
	}
	slices.Sort(want)
	if d := cmp.Diff(append([]string{}, want...), r.findings()); d != "" {
		h.t.Errorf("%s: findings -want +got\n%s", e.name, d)
	}
	if d := cmp.Diff(actions, r.actions()); d != "" {
		h.t.Errorf("%s: actions -want +got\n%s", e.name, d)
	}
}

// TestAReloadThatDoesNotHelp checks that a heal that did not help is an alert from then on, and
// that another unit is healed all the same.
func TestAReloadThatDoesNotHelp(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		const bad = "bad.service loaded_is_current stale "
		s := remembering(t, options, map[string]string{
			unit("bad.service"):          scene.StackUnit("bad.service", "first"),
			unit("bad.service.d/1.conf"): "[Service]\nExecStartPre=relative/\n", // systemd says for ever that it has not read it
		})
		s.systemctl("start", "bad.service")
		s.want("at first", s.enforce(), 2, bad+"heal/heal-failed")
		for i := range 3 {
			s.elapse(300)
			reloads := s.reloads()
			s.want("again", s.enforce(), 1, bad+"block/ticket")
			if s.reloads() != reloads {
				t.Error("it was reloaded again")
			}
			if i == 1 {
				settle()
				s.activate("second", map[string]string{
					unit("bad.service"):          scene.StackUnit("bad.service", "first"),
					unit("bad.service.d/1.conf"): "[Service]\nExecStartPre=relative/\n",
				})
				s.want("another one", s.enforce(), 1, bad+"block/ticket", healed)
			}
		}
	})
}
