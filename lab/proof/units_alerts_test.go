package proof

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// saying makes a service write what it says to a file of the runtime folder.
const saying = "[Service]\nStandardError=append:%t/said\n"

// saidSince returns what services said since the last call.
func (s *stage) saidSince() string {
	s.t.Helper()
	text, err := os.ReadFile(s.runtime("said"))
	if err != nil {
		return ""
	}
	s.do(os.Remove(s.runtime("said")))
	return string(text)
}

// loads declares the credentials of a service. The folder of a unit's drop-ins in the
// runtime folder is the test's.
func (s *stage) loads(service, credentials string) {
	s.t.Helper()
	s.do(s.Write(s.runtime("systemd/user/"+service+".d/credentials.conf"), "[Service]\n"+credentials))
	s.reload()
}

// TestUnitsAlerts checks that a finding of the shipped audit reaches a webhook through the
// shipped unit that sends alerts, whatever became of the sink, the credential and the
// memory before.
func TestUnitsAlerts(t *testing.T) {
	const page, files = "stack_running web.service", "file_declared files.service"
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		hook := (&stage{t: t}).serve("127.0.0.1:0")
		hook.token = "sesame"
		s := shipped(t, options, map[string]string{auditService: noWait + saying, alertsService: saying})
		s.servePodman()
		self, err := os.Executable()
		s.do(err)
		_, err = s.Install(self)
		s.do(err)
		s.do(s.Write(filepath.Join(s.Home, "token"), hook.token))
		s.do(s.Write(filepath.Join(s.Home, ".config/stackpolicy/config.yaml"), "stacks: {web: {}, files: {}, feeds: {}}\n"+
			"alerts: {webhooks: [{name: phone, url: 'http://"+hook.address+"', token: {credential: phone}, repeat: 4h}]}\n"))
		const load = "LoadCredential=phone:%h/token\n"
		audit := func(what, result string, want ...string) (said string) {
			t.Helper()
			_, _ = s.Systemctl(t.Context(), "start", auditService) // it fails: no stack has a container
			s.until("idle after "+what, s.idle)
			if status := s.property(auditService, "ExecMainStatus"); status != "2" {
				t.Errorf("%s: the audit ended with %s, want 2\n%s", what, status, s.Log())
			}
			if got := s.property(alertsService, "Result"); got != result {
				t.Errorf("%s: the sender's result is %s, want %s", what, got, result)
			}
			got := slices.DeleteFunc(hook.newAlerts(), func(a string) bool { return !strings.Contains(a, page) && !strings.Contains(a, files) })
			if !slices.Equal(got, want) {
				t.Errorf("%s: alerts %q, want %q", what, got, want)
			}
			return s.saidSince()
		}
		says := func(what, said, want string) {
			t.Helper()
			if !strings.Contains(said, want) {
				t.Errorf("%s: the units say %q, want %q", what, said, want)
			}
		}

		says("no credential", audit("no credential", "exit-code"),
			"alerts to webhook:phone: the credential phone is not loaded: write LoadCredential=phone:PATH below [Service] of stackpolicy-alerts.service")
		s.loads(auditService, load)
		says("a credential of the audit", audit("a credential of the audit", "exit-code"),
			"credentials are loaded for this audit, but stackpolicy-alerts.service sends the alerts")
		s.loads(auditService, "")
		s.loads(alertsService, load)
		if said := audit("in order", "success", "firing "+page); said != "" {
			t.Errorf("in order: the units say %q", said)
		}
		audit("still so", "success")

		s.do(hook.Close())
		link := s.Unit("files.service")
		s.do(os.Remove(link))
		says("nobody listens", audit("nobody listens", "exit-code"), "connection refused; 1 wait")
		if failed := s.systemctl("list-units", "--failed", "--plain", "--no-legend"); !strings.Contains(failed, alertsService) {
			t.Errorf("nobody listens: failed are %s", failed)
		}
		says("too early", audit("too early", "exit-code"), "connection refused; tried again after")
		hook = s.serve(hook.address)
		s.elapse(61)
		audit("tried again", "success", "firing "+files)
		audit("once", "success")

		undo := s.protect()
		audit("without a memory", "exit-code", "firing "+files, "firing "+page)
		audit("nor with the next audit", "exit-code", "firing "+files, "firing "+page)
		undo()
		audit("with the memory from before", "success")
	})
}

// TestUnitsAlertsOverlap checks that an audit that starts while alerts are sent waits for the
// end of that. systemd would not start the sender again while it runs, and the audit's alerts
// would wait for another audit. The audit has a command of its own, as an operator may have
// declared it, and the sender tries to call the manager.
func TestUnitsAlertsOverlap(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		hook := (&stage{t: t}).serve("127.0.0.1:0")
		hook.held = make(chan struct{})
		s := shipped(t, options, map[string]string{
			auditService:  noWait + saying + instead("exec %h/.local/bin/stackpolicy eval"),
			alertsService: "[Service]\nExecStartPost=/bin/sh -c 'systemctl --user show-environment >%t/call 2>&1; true'\n",
		})
		s.servePodman()
		s.do(s.Write(filepath.Join(s.Home, ".config/stackpolicy/config.yaml"), "stacks: {web: {}, files: {}, feeds: {}}\n"+
			"alerts: {webhooks: [{name: phone, url: 'http://"+hook.address+"'}]}\n"))
		s.systemctl(append([]string{"stop"}, pathUnits...)...) // a change would start an audit more
		_, _ = s.Systemctl(t.Context(), "start", auditService) // it fails: no stack has a container
		s.until("alerts are sent", func() bool { return s.property(alertsService, "ActiveState") == "activating" })
		s.do(os.Remove(s.Unit("files.service")))
		s.systemctl("start", "--no-block", auditService)
		if jobs := strings.Join(strings.Fields(s.systemctl("list-jobs", "--no-legend")), " "); !strings.Contains(jobs, auditService+" start waiting") {
			t.Errorf("while alerts are sent, the jobs are %q", jobs)
		}
		close(hook.held)
		s.until("idle", s.idle)
		if got := hook.newAlerts(); !slices.Contains(got, "firing file_declared files.service") {
			t.Errorf("alerts %q", got)
		}
		if said := s.saidSince(); !strings.Contains(said, "this audit may not open network sockets, so it leaves alerts to stackpolicy-alerts.service") {
			t.Errorf("the audit says %q", said)
		}
		if got := s.written("call"); !strings.Contains(got, "Address family not supported") {
			t.Errorf("the sender called the manager, which said %q", got)
		}
	})
}

const sockets = `{ %h/.local/bin/stackpolicy eval -o json >%t/report.json; %h/.local/bin/stackpolicy facts >%t/facts.json; true; }`

// TestUnitsProbes checks that probes need a drop-in of the shipped audit: without it they
// are not known, and no service is said to be silent.
func TestUnitsProbes(t *testing.T) {
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		service, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer service.Close()
		s := shipped(t, options, map[string]string{auditService: noWait + instead(sockets)})
		s.servePodman()
		s.do(s.Write(filepath.Join(s.Home, ".config/stackpolicy/config.yaml"),
			fmt.Sprintf("stacks: {web: {probes: [{tcp: %q}]}, files: {}, feeds: {}}\n", service.Addr())))
		audit := func() (gaps []string, judged bool) {
			t.Helper()
			s.systemctl("start", auditService)
			var r report
			s.do(json.Unmarshal([]byte(s.written("report.json")), &r))
			for _, g := range r.Gaps {
				gaps = append(gaps, g.Collector+": "+g.Error)
			}
			for _, d := range r.Decisions {
				judged = judged || d.Invariant == "probes_answer" && d.Effect == "allow"
			}
			return gaps, judged
		}
		const want = "probes: this process may not open network sockets, so nothing was probed: " +
			"write RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 below [Service] of stackpolicy-audit.service"
		if gaps, judged := audit(); judged || !slices.Equal(gaps, []string{want}) {
			t.Errorf("as shipped: gaps %q, allowed: %v", gaps, judged)
		}
		s.do(s.Write(s.runtime("systemd/user/"+auditService+".d/probes.conf"), "[Service]\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n"))
		s.reload()
		if gaps, judged := audit(); !judged || len(gaps) > 0 {
			t.Errorf("with the drop-in: gaps %q, allowed: %v", gaps, judged)
		}
	})
}
