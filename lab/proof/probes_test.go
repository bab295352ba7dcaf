package proof

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"testing"

	"stackpolicy/facts"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// probe collects facts and returns the result of the only probe of web.service.
func (s *stage) probe() (p facts.Probe, asked bool) {
	s.t.Helper()
	var doc facts.Document
	s.do(json.Unmarshal([]byte(s.Stackpolicy(s.t.Context(), "facts").Out), &doc))
	i := slices.IndexFunc(doc.Units, func(u facts.Unit) bool { return u.Name == "web.service" })
	if len(doc.Units[i].Probes) == 0 {
		return p, false
	}
	return doc.Units[i].Probes[0], true
}

// TestProbes checks that a stack that runs and does not answer is a page, even if its last
// apply failed. A stopped unit is not probed.
func TestProbes(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		service, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer service.Close()
		s := open(t, options, map[string]string{".config/stackpolicy/config.yaml": fmt.Sprintf(
			"stacks: {web: {probes: [{tcp: %q}]}, files: {}, feeds: {}}\n", service.Addr())})
		s.want("answers", s.eval(), 0)
		if p, asked := s.probe(); !asked || !p.OK || p.Target != service.Addr().String() {
			t.Errorf("got %+v", p)
		}

		s.systemctl("set-environment", "APPLY=fail")
		_, _ = s.Systemctl(t.Context(), "restart", "web.service") // fails
		failed := "web.service unit_not_failed still-running block/ticket"
		s.want("failed, and answers", s.eval(), 1, failed)
		s.do(service.Close())
		s.want("failed, and does not answer", s.eval(), 2, "web.service probes_answer no-connection block/page", failed)

		s.systemctl("unset-environment", "APPLY")
		s.systemctl("restart", "web.service")
		if p, asked := s.probe(); !asked || p.OK || p.Error == "" {
			t.Errorf("nobody listens: got %+v", p)
		}
		s.want("started less than a minute ago", s.eval(), 0)
		s.systemctl("stop", "web.service")
		if p, asked := s.probe(); asked {
			t.Errorf("the unit is stopped: got %+v", p)
		}
	})
}
