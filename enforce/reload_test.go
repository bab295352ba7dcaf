package enforce

import (
	"testing"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

func TestReloadRefuses(t *testing.T) {
	refusesAll(t, finding.DaemonReload, []refusedCase{
		{name: "finding gone meanwhile", gone: true, says: "no longer asked for"},
		{name: "undeclared file", says: "/etc/systemd/user/web.service, /x and 2 more",
			unit: func(u *facts.Unit) {
				u.Reload.LoadsUndeclared = []string{"/etc/systemd/user/web.service", "/x", "/y", "/z"}
			}},
		{name: "declared file gone", says: "would drop what is declared for web.service: /gone",
			unit: func(u *facts.Unit) { u.Reload.DropsDeclared = []string{"/gone"} }},
		{name: "another unit's undeclared file", says: "other.service: /x",
			doc: func(d *facts.Document) {
				d.Units = append(d.Units, facts.Unit{Name: "other.service", ManagedBy: "config", Reload: &facts.Reload{LoadsUndeclared: []string{"/x"}}})
			}},
		{name: "an undeclared file of the manager's", says: "would bring /home/alice/.config/environment.d/evil.conf in force (environment, undeclared)",
			doc: managerFile(facts.OriginUndeclared)},
		{name: "a file of the manager's that others can change", says: "(environment, unsafe)", doc: managerFile(facts.OriginUnsafe)},
		{name: "files of the manager's not known", says: "besides unit files is not known", doc: func(d *facts.Document) { d.ManagerFiles = nil }},
		{name: "it is not known which quadlets are refused", says: "the quadlets collector failed: silent",
			unit: func(u *facts.Unit) { u.Quadlet = true }, doc: gapIn("quadlets")},
		{name: "others can put files there", says: "others can put unit files into /home/alice/.config/systemd/user",
			doc: func(d *facts.Document) {
				d.User = &facts.User{OpenFolders: []string{"/home/alice/.config/systemd/user"}}
			}},
		{name: "effect of a reload not known", says: "is not known",
			unit: func(u *facts.Unit) { u.Reload = nil }},
	})
}

// TestReloadWithoutQuadlets: without quadlets nothing is asked of podman's generator.
func TestReloadWithoutQuadlets(t *testing.T) {
	doc := sound(web())
	gapIn("quadlets")(doc)
	m := &manager{}
	got, _ := run(t, m, seen(doc, heal("web.service", "daemon-reload")))
	want(t, got, m, []string{Done}, "daemon-reload")
}

// TestPodmanSilentDoesNotStopAReload: a reload needs no facts of podman.
func TestPodmanSilentDoesNotStopAReload(t *testing.T) {
	doc := sound(web())
	gapIn("podman")(doc)
	m := &manager{}
	got, _ := run(t, m, seen(doc, heal("web.service", "daemon-reload")))
	want(t, got, m, []string{Done}, "daemon-reload")
}

// TestUnmanagedUnitsDoNotStopAReload: no file is declared for them, and a template has
// no loaded state.
func TestUnmanagedUnitsDoNotStopAReload(t *testing.T) {
	doc := sound(web(), facts.Unit{Name: "session.slice"}, facts.Unit{Name: "web@.service", ManagedBy: "home-manager", Template: true})
	m := &manager{}
	got, _ := run(t, m, seen(doc, heal("web.service", "daemon-reload")))
	want(t, got, m, []string{Done}, "daemon-reload")
}

func managerFile(origin string) func(*facts.Document) {
	return func(d *facts.Document) {
		d.ManagerFiles.Files = append(d.ManagerFiles.Files, facts.ManagerFile{
			Path: "/home/alice/.config/environment.d/evil.conf", Role: facts.RoleEnvironment, Origin: origin, Effective: true, ChangedAfterLoad: true,
		})
	}
}

// TestManagerFilesThatDoNotStopAReload: the system's and what is declared, though
// new, and what is in force already or not used at all.
func TestManagerFilesThatDoNotStopAReload(t *testing.T) {
	for name, change := range map[string]func(*facts.Document){
		"the distribution's":  managerFile(facts.OriginDistribution),
		"the administrator's": managerFile(facts.OriginAdministrator),
		"declared":            managerFile(facts.OriginDeclared),
		"the user's own":      managerFile(facts.OriginOwn),
		"undeclared, in force": func(d *facts.Document) {
			managerFile(facts.OriginUndeclared)(d)
			d.ManagerFiles.Files[0].ChangedAfterLoad = false
		},
		"undeclared, not used": func(d *facts.Document) {
			managerFile(facts.OriginUndeclared)(d)
			d.ManagerFiles.Files[0].Effective = false
		},
	} {
		t.Run(name, func(t *testing.T) {
			doc := sound(web())
			change(doc)
			m := &manager{}
			got, _ := run(t, m, seen(doc, heal("web.service", "daemon-reload")))
			want(t, got, m, []string{Done}, "daemon-reload")
		})
	}
}
