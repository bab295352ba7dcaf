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
		{name: "effect of a reload not known", says: "is not known",
			unit: func(u *facts.Unit) { u.Reload = nil }},
	})
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
