package proof

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// TestLinksThatAreNotRead checks that links which the manager never reads are no drift, and
// hold no reload back: those of a target that does not exist, although another setting has
// put it into the manager's memory, and those in .upholds folders before systemd 253.
func TestLinksThatAreNotRead(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{
			unit("db.service"):                        "[Unit]\nAfter=graphical.target\nPartOf=graphical.target\n" + daemon,
			unit("graphical.target.wants/db.service"): "-> ../db.service",
			unit("default.target.wants/db.service"):   "-> ../db.service",
			unit("default.target.upholds/db.service"): "-> ../db.service",
		})
		s.systemctl("start", "db.service")
		if got := s.property("graphical.target", "LoadState"); got != "not-found" {
			t.Fatalf("graphical.target is %s", got)
		}
		s.want("declared", s.eval("--enforce"), 0)

		s.do(s.Link("../web.service", s.Unit("graphical.target.requires/web.service")))
		settle()
		s.staleFiles(map[string]string{
			unit("db.service"):                        "[Unit]\nAfter=graphical.target\nPartOf=graphical.target\n" + daemon,
			unit("graphical.target.wants/db.service"): "-> ../db.service",
			unit("default.target.wants/db.service"):   "-> ../db.service",
			unit("default.target.upholds/db.service"): "-> ../db.service",
		})
		s.want("an undeclared link of a target that does not exist", s.eval("--enforce"), 1,
			"files.service loaded_is_current stale heal/healed", "web.service links_resolve undeclared block/ticket")

		s.pull(s.Unit("web.service.upholds/evil.service"))
		r := s.eval()
		pulls := strings.Contains(strings.Join(r.findings(), "\n"), "web.service links_resolve pulls")
		if s.reload(); pulls != strings.Contains(s.property("web.service", "Upholds"), "evil.service") {
			t.Errorf("found that web.service pulls in evil.service: %t, but a reload did otherwise", pulls)
		}
	})
}

// TestALinkThatIsHidden checks that what hides a declared link, in a folder that is searched
// before, is found, and that no reload of ours lets it.
func TestALinkThatIsHidden(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, nil)
		hides := filepath.Join(s.Home, ".config/systemd/user.control/default.target.wants/web.service")
		s.do(s.Link("/dev/null", hides))
		settle()
		s.staleFiles(nil)
		const hidden = "web.service links_resolve hidden block/ticket"
		s.want("hidden, and a stale unit", s.eval("--enforce"), 1, "files.service loaded_is_current stale heal/refused",
			"web.service loaded_is_current withheld block/ticket", hidden)
		if !strings.Contains(s.property("web.service", "WantedBy"), "default.target") {
			t.Error("it was reloaded")
		}
		s.reload()
		if got := s.property("web.service", "WantedBy"); strings.Contains(got, "default.target") {
			t.Errorf("the mask hides nothing: wanted by %s", got)
		}
		s.want("hidden, and read", s.eval("--enforce"), 1, hidden)

		s.do(os.Remove(hides))
		s.do(s.Write(hides, "no link"))
		s.reload()
		s.want("by a file", s.eval("--enforce"), 1, hidden)

		// What is searched later hides nothing.
		s.do(os.Remove(hides))
		s.do(s.Link("/dev/null", s.Path("/etc/systemd/user/default.target.wants/web.service")))
		s.reload()
		s.want("in /etc", s.eval("--enforce"), 0)
	})
}

// TestAnOwnLinkThatIsGone checks that a unit which still pulls in another one, by a link of its
// own that was removed, is stale, and that a reload heals it.
func TestAnOwnLinkThatIsGone(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		for _, kind := range []string{"wants", "requires", "upholds"} {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				s := open(t, options, nil)
				s.pull(s.Unit("web.service." + kind + "/evil.service"))
				s.reload()
				pulls := strings.Contains(s.systemctl("show", "--property=Wants,Requires,Upholds", "web.service"), "evil.service")
				if kind != "upholds" && !pulls {
					t.Fatal("the link pulls nothing in")
				}
				settle()
				s.do(os.RemoveAll(s.Unit("web.service." + kind)))
				want := []string{}
				if pulls {
					want = append(want, "web.service loaded_is_current stale heal/healed")
				}
				s.want("removed", s.eval("--enforce"), 0, want...)
				if got := s.systemctl("show", "--property=Wants,Requires,Upholds", "web.service"); strings.Contains(got, "evil.service") {
					t.Errorf("it still pulls in: %s", got)
				}
				s.want("afterwards", s.eval("--enforce"), 0)
			})
		}
	})
}
