package proof

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// drift is one change on disk without a reload, what systemd says about it, and what
// stackpolicy must find.
type drift struct {
	name     string
	declared map[string]string // besides the samples, before the change
	change   func(*stage)
	blind    string // NeedDaemonReload of web.service: "no", "yes", or "252" where only 252 says no
	found    []string
	exit     int
	after    []string // findings of an enforcing audit; nil: healed, with exit status 0
	exitThen int
}

const (
	stale    = "web.service loaded_is_current stale heal/planned"
	healed   = "web.service loaded_is_current stale heal/healed"
	withheld = "web.service loaded_is_current withheld block/ticket"
)

// activate declares the samples, with web.service unstamped, and the given files.
func (s *stage) activate(revision string, more map[string]string) {
	s.t.Helper()
	declared := map[string]string{unit("web.service"): scene.StackUnit("web.service", revision)}
	maps.Copy(declared, more)
	s.do(s.Activate(declared))
}

// services are the managed services of the samples.
var services = []string{"feeds.service", "files.service", "stackpolicy-audit.service", "web.service"}

const dropIn = "[Service]\nEnvironment=A=1\n"

var drifts = []drift{
	{
		name: "link moved to a new generation", change: func(s *stage) { s.activate("second", nil) }, blind: "no",
		found: []string{stale}, exit: 1, after: []string{healed},
	},
	{
		name: "local file put back to a link", blind: "no",
		change: func(s *stage) {
			s.do(s.Write(s.Unit("web.service"), scene.StackUnit("web.service", "local")))
			s.reload()
			settle()
			s.do(s.Link(filepath.Join(s.Current.HomeFiles, unit("web.service")), s.Unit("web.service")))
		},
		found: []string{stale}, exit: 1, after: []string{healed},
	},
	{
		name: "drop-in content changed, same path", blind: "no",
		declared: map[string]string{unit("web.service.d/a.conf"): dropIn},
		change: func(s *stage) {
			s.activate("first", map[string]string{unit("web.service.d/a.conf"): "[Service]\nEnvironment=A=2\n"})
		},
		found: []string{stale}, exit: 1, after: []string{healed},
	},
	{
		name: "new drop-in folder", blind: "252",
		change: func(s *stage) { s.activate("first", map[string]string{unit("web.service.d/a.conf"): dropIn}) },
		found:  []string{stale}, exit: 1, after: []string{healed},
	},
	{
		name: "new drop-in file in a folder that was there", blind: "yes",
		declared: map[string]string{unit("web.service.d/a.conf"): dropIn},
		change: func(s *stage) {
			s.activate("first", map[string]string{unit("web.service.d/a.conf"): dropIn, unit("web.service.d/b.conf"): dropIn})
		},
		found: []string{stale}, exit: 1, after: []string{healed},
	},
	{
		name: "type-level service.d drop-in", blind: "252",
		change: func(s *stage) {
			s.activate("first", map[string]string{unit("service.d/a.conf"): "[Service]\nNice=1\n"})
		},
		found: forEach("loaded_is_current stale heal/planned", services...), exit: 1,
		after: forEach("loaded_is_current stale heal/healed", services...),
	},
	{
		name: "drop-in removed", blind: "yes",
		declared: map[string]string{unit("web.service.d/a.conf"): dropIn},
		change:   func(s *stage) { s.activate("first", nil) },
		found:    []string{stale, "web.service dropins_owned gone heal/planned"}, exit: 1,
		after: []string{healed, "web.service dropins_owned gone heal/healed"},
	},
	{
		name: "wants link added", blind: "no",
		declared: map[string]string{unit("default.target.wants/web.service"): "-"},
		change:   func(s *stage) { s.activate("first", nil) },
		found:    []string{stale}, exit: 1, after: []string{healed},
	},
	{
		name: "wants link removed", blind: "no",
		change: func(s *stage) { s.activate("first", map[string]string{unit("default.target.wants/web.service"): "-"}) },
		found:  []string{stale}, exit: 1, after: []string{healed},
	},
	{
		name: "link replaced by an identical file", blind: "yes",
		change: func(s *stage) { s.do(s.Write(s.Unit("web.service"), scene.StackUnit("web.service", "first"))) },
		found:  []string{stale, "web.service file_declared identical block/ticket"}, exit: 1,
		after: []string{healed, "web.service file_declared identical block/ticket"}, exitThen: 1,
	},
	{
		name: "link replaced by a different file", blind: "yes",
		change: func(s *stage) { s.do(s.Write(s.Unit("web.service"), scene.StackUnit("web.service", "local"))) },
		found:  []string{withheld, "web.service file_declared different block/ticket"}, exit: 1,
		after: []string{withheld, "web.service file_declared different block/ticket"}, exitThen: 1,
	},
	{
		name: "link deleted", blind: "yes",
		change: func(s *stage) { s.do(os.Remove(s.Unit("web.service"))) },
		found:  []string{withheld, "web.service file_declared missing block/page"}, exit: 2,
		after: []string{withheld, "web.service file_declared missing block/page"}, exitThen: 2,
	},
	{
		name: "target garbage-collected", blind: "yes",
		change: func(s *stage) { s.do(os.RemoveAll(filepath.Dir(s.Current.Sources[unit("web.service")]))) },
		found: []string{
			withheld, "web.service file_declared dangling block/page", "web.service links_resolve dangling block/ticket",
		}, exit: 2,
		after: []string{
			withheld, "web.service file_declared dangling block/page", "web.service links_resolve dangling block/ticket",
		}, exitThen: 2,
	},
	{
		name: "deleted, then reloaded, while active", blind: "no",
		change: func(s *stage) {
			s.do(os.Remove(s.Unit("web.service")))
			s.reload()
		},
		found: []string{
			"web.service file_declared missing block/page", "web.service fragment_in_user_dir not-found block/page",
		}, exit: 2,
		after: []string{
			"web.service file_declared missing block/page", "web.service fragment_in_user_dir not-found block/page",
		}, exitThen: 2,
	},
	{
		name: "deleted, then reloaded, copy in /etc", blind: "no",
		change: func(s *stage) {
			s.etc("web.service", scene.StackUnit("web.service", "legacy"))
			s.do(os.Remove(s.Unit("web.service")))
			s.reload()
		},
		found: []string{
			"web.service file_declared missing block/page", "web.service fragment_in_user_dir etc block/page",
		}, exit: 2,
		after: []string{
			"web.service file_declared missing block/page", "web.service fragment_in_user_dir etc block/page",
		}, exitThen: 2,
	},
}

func (s *stage) etc(name, text string) {
	s.t.Helper()
	s.do(s.Etc(name, text))
}

// TestDrift checks that stackpolicy notices when a definition on disk is not the one that
// the manager runs, also when systemd does not. It heals what is safe and nothing else.
func TestDrift(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		for _, d := range drifts {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				declared := map[string]string{unit("web.service"): scene.StackUnit("web.service", "first")}
				maps.Copy(declared, d.declared)
				s := open(t, options, declared)
				s.reload()
				s.want("before", s.eval(), 0)
				settle()
				d.change(s)
				d.check(s)
			})
		}
	})
}

func (d drift) check(s *stage) {
	s.t.Helper()
	blind := d.blind
	if blind == "252" {
		blind = "no"
		if is257(s.Version) {
			blind = "yes"
		}
	}
	if got := s.property("web.service", "NeedDaemonReload"); got != blind {
		s.t.Errorf("NeedDaemonReload=%s, want %s: systemd behaves otherwise than was measured", got, blind)
	}
	s.want("observing", s.eval(), d.exit, d.found...)
	s.want("enforcing", s.eval("--enforce"), d.exitThen, d.after...)
}
