package proof

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

const (
	reportService = "stackpolicy-report.service"
	reportTimer   = "stackpolicy-report.timer"
)

// notedHardening makes a service write down its restrictions.
const notedHardening = "[Service]\n" +
	`ExecStartPost=/bin/sh -c 'grep -E "NoNewPrivs:|Seccomp:" /proc/self/status | cut -f 2 >%t/status'` + "\n"

// TestUnitsReport checks that the shipped audit service records, and that the shipped
// report service shows it, both with their hardening.
func TestUnitsReport(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := shipped(t, options, map[string]string{auditService: noWait})
		s.servePodman()
		for _, name := range []string{reportService, reportTimer} {
			s.do(s.Write(s.runtime("systemd/user/"+name), shippedText(t, name)))
		}
		s.do(s.Write(s.runtime("systemd/user/"+reportService+".d/noted.conf"), notedHardening))
		self, err := os.Executable()
		s.do(err)
		_, err = s.Install(self)
		s.do(err)
		s.reload()
		s.checkStatus("before any audit", 3, "")
		s.report("before any audit", "no audit")
		_, _ = s.Systemctl(t.Context(), "start", auditService) // it fails: no stack has a container
		if got := s.property(auditService, "ExecMainStatus"); got != "2" {
			t.Fatalf("the audit ended with %s, want 2\n%s", got, s.Log())
		}
		s.report("after one", "web.service")
		if got := strings.Fields(s.written("status")); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("NoNewPrivs and Seccomp are %v, want 1 and 2", got)
		}
		s.systemctl("start", reportTimer)
		if next := s.systemctl("show", "--value", "--property=NextElapseUSecRealtime", reportTimer); !strings.Contains(next, " 06:") {
			t.Errorf("the report is due at %q, want 06:00", next)
		}
		s.checkStatus("after one", 2, "CRITICAL")
		s.elapse(3600)
		s.checkStatus("an hour later", 3, "STALE")
	})
}

// report runs the shipped service and checks that its page contains the words.
func (s *stage) report(what, words string) {
	s.t.Helper()
	s.systemctl("start", reportService)
	page := filepath.Join(filepath.Dir(s.memory()), "report.html")
	text, err := os.ReadFile(page)
	s.do(err)
	if !strings.HasPrefix(string(text), "<!doctype html>") || !strings.Contains(string(text), words) {
		s.t.Errorf("%s: the report does not say %q: %.3000s", what, words, text)
	}
	info, err := os.Stat(page)
	s.do(err)
	if info.Mode() != 0o600 {
		s.t.Errorf("%s: the report is of mode %v", what, info.Mode())
	}
}

func (s *stage) checkStatus(what string, exit int, word string) {
	s.t.Helper()
	if r := s.Stackpolicy(s.t.Context(), "status"); r.Code != exit || !strings.HasPrefix(r.Out, word) {
		s.t.Errorf("%s: status %d, want %d and %q\n%s%s", what, r.Code, exit, word, r.Out, r.Err)
	}
}
