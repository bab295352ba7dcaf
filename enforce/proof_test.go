package enforce

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

// strange is an undeclared drop-in of web.service that is in force.
var strange = facts.File{
	Path: "/etc/systemd/user/web.service.d/evil.conf", Role: facts.RoleDropIn, Origin: facts.OriginEtc, State: facts.StateUndeclared,
	Digest: "sha256:evil", Loaded: true, Effective: true,
}

func TestBrings(t *testing.T) {
	unread, older, link, distribution := strange, strange, strange, strange
	unread.Loaded = false
	older.Digest = "sha256:before"
	link.Path, link.Role, link.Of = "/etc/systemd/user/web.service.wants/evil.service", facts.RoleOwnWants, "evil.service"
	otherLink := link
	otherLink.Digest = "sha256:other"
	distribution.Origin = facts.OriginDistribution
	swapped := web().Files[0]
	swapped.State, swapped.Digest = facts.StateDifferent, "sha256:evil"
	brought := func(f facts.File) []Brought { return []Brought{{"web.service", f.Path, f.State}} }
	for name, tc := range map[string]struct {
		before, after []facts.File // of web.service, besides its own
		want          []Brought
	}{
		"nothing":                           {nil, nil, nil},
		"a drop-in that was not there":      {nil, []facts.File{strange}, brought(strange)},
		"a drop-in that was not read":       {[]facts.File{unread}, []facts.File{strange}, brought(strange)},
		"a drop-in with other content":      {[]facts.File{older}, []facts.File{strange}, brought(strange)},
		"a drop-in that was in force":       {[]facts.File{strange}, []facts.File{strange}, nil},
		"a drop-in that is not read":        {nil, []facts.File{unread}, nil},
		"the distribution's drop-in":        {nil, []facts.File{distribution}, nil},
		"a link of its own":                 {nil, []facts.File{link}, brought(link)},
		"a link of its own that was loaded": {[]facts.File{link}, []facts.File{otherLink}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := web(), web()
			before.Files, after.Files = append(before.Files, tc.before...), append(after.Files, tc.after...)
			a := Action{Action: finding.DaemonReload, Subject: finding.Host, Status: Done, Before: sound(before)}
			if d := cmp.Diff(tc.want, a.Brings(sound(after))); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			a.Action = finding.Restart
			if got := a.Brings(sound(after)); got != nil {
				t.Errorf("a restart brings %v", got)
			}
		})
	}
	after := web()
	after.Files = []facts.File{swapped}
	a := Action{Action: finding.DaemonReload, Status: Failed, Before: sound(web())}
	if d := cmp.Diff(brought(swapped), a.Brings(sound(after))); d != "" {
		t.Errorf("a file in the declared one's place: -want +got\n%s", d)
	}
	a.Status = Refused
	if got := a.Brings(sound(after)); got != nil {
		t.Errorf("a reload that was refused brings %v", got)
	}
}

func TestBringsFilesOfTheManager(t *testing.T) {
	before, after := sound(web()), sound(web())
	managerFile(facts.OriginUndeclared)(after)
	after.ManagerFiles.Files[0].ChangedAfterLoad = false
	a := Action{Action: finding.DaemonReload, Status: Done, Before: before}
	path := after.ManagerFiles.Files[0].Path
	if d := cmp.Diff([]Brought{{"host", path, "undeclared"}}, a.Brings(after)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	before.ManagerFiles = after.ManagerFiles
	if got := a.Brings(after); got != nil {
		t.Errorf("what was in force before: %v", got)
	}
}

// TestTheLastLookComesLast: after everything is decided and written down, and right
// before the call.
func TestTheLastLookComesLast(t *testing.T) {
	o := seen(sound(web()), heal("web.service", "daemon-reload"))
	for name, changed := range map[string]error{"unchanged": nil, "changed": errors.New("/x changed after the facts were collected")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, l := &manager{}, &ledger{}
				e := Enforcer{Manager: m, Ledger: l, Settings: settings, Observe: (&sequence{list: []Observation{o}}).observe}
				e.Unchanged = func(_ context.Context, doc *facts.Document) error {
					if len(l.calls) != 1 || len(m.calls) != 0 || doc != o.Document {
						t.Errorf("looked after %v and %v", l.calls, m.calls)
					}
					return changed
				}
				got := e.Run(t.Context(), Plan(o.Result.Decisions), o)
				if changed == nil {
					want(t, got, m, []string{Done}, "daemon-reload")
					return
				}
				want(t, got, m, []string{Refused})
				if !strings.Contains(got[0].Message, changed.Error()) || got[0].Before != nil {
					t.Errorf("got %+v", got[0])
				}
			})
		})
	}
}
