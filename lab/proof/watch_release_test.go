package proof

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/fleet/release"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// releases publishes settings as a release whose one stage is open after one audit in shadow. It
// returns the folder, which the account can read.
func (s *stage) releases(settings string) string {
	s.t.Helper()
	repository, now := release.At(filepath.Join(s.t.TempDir(), "release")), time.Now()
	key, err := release.NewKey("ada")
	s.do(err)
	s.do(repository.Init([]release.PublicKey{key.PublicKey}, 1, now))
	_, _, err = repository.Sign(key, now)
	s.do(err)
	bundle, err := release.Pack([]policy.File{{Name: policy.SettingsFile, Text: []byte(settings)}})
	s.do(err)
	_, err = repository.Propose("stable", bundle, now, func(p *release.Plan) {
		p.Stages, p.OpenStage, p.Success = []release.Stage{{}}, 1, release.Success{MinAudits: 1}
	})
	s.do(err)
	_, _, err = repository.Sign(key, now)
	s.do(err)
	folder := filepath.Join(s.Home, "releases")
	s.do(repository.Files(func(name string, text []byte) error {
		return s.Write(filepath.Join(folder, name), string(text))
	}))
	return folder
}

// TestWatchTakesARelease: beside a watch a release is pulled. The next audit lets it decide in
// shadow, and then the watch decides by it, without being told. If it is edited on the disk, the
// watch decides by the rules of the program again.
func TestWatchTakesARelease(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{".config/stackpolicy/config.yaml": "-"})
		s.do(s.Write(filepath.Join(s.Home, ".config/stackpolicy/config.yaml"), "stacks: {web: {}, files: {}, feeds: {}}\nfleet: {channel: stable}\n"))
		folder := s.releases("settings:\n  decide: [{invariant: wanted_is_running, units: [\"*\"], severity: ticket}]\n")
		w := s.watch(0)
		s.stackpolicy("policy", "pull", "--from", folder, "--root", filepath.Join(folder, "1.root.json"))
		severity := func(want string) {
			t.Helper()
			for {
				if l := w.line(); l.Invariant == "wanted_is_running" && l.Effect == "block" && l.Severity == want {
					return
				}
			}
		}
		s.systemctl("stop", "web.service")
		severity("page")
		severity("ticket")
		if out := s.Stackpolicy(t.Context(), "policy", "status").Out; !strings.Contains(out, "decides: release 1 of channel stable") {
			t.Errorf("policy status says:\n%s", out)
		}
		s.do(s.Write(filepath.Join(s.Home, ".local/state/stackpolicy/release/a/rules/settings.yaml"), "settings: {}\n"))
		severity("page")
		if said := w.errs.String(); strings.Contains(said, "defect") {
			t.Errorf("the watch said:\n%s", said)
		}
	})
}
