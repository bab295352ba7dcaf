package units

import (
	"slices"
	"strings"
	"testing"
)

// settings returns the lines of a unit that set something.
func settings(t *testing.T, name string) []string {
	t.Helper()
	text, err := FS.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.Contains(line, "=") && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// TestReportIsHardened: every hardening of the audit is also in the report, which
// also has no sockets.
func TestReportIsHardened(t *testing.T) {
	report, audit := settings(t, "stackpolicy-report.service"), settings(t, "stackpolicy-audit.service")
	from := slices.Index(audit, "NoNewPrivileges=yes")
	if from < 0 {
		t.Fatal("the audit's hardening is not where it was")
	}
	for _, line := range audit[from:] {
		if line == "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6" {
			line = "RestrictAddressFamilies=none"
		}
		key, _, _ := strings.Cut(line, "=")
		if key != "Nice" && !slices.Contains(report, line) {
			t.Errorf("the report lacks %s", line)
		}
	}
	for _, line := range report {
		if strings.Contains(strings.ReplaceAll(line, "%%", ""), "%S") {
			t.Errorf("%s: %%S is ~/.config for systemd 252", line)
		}
	}
}

// TestReportIsDaily: its timer starts it once a day, also when the machine was off.
func TestReportIsDaily(t *testing.T) {
	timer := settings(t, "stackpolicy-report.timer")
	for _, want := range []string{"OnCalendar=*-*-* 06:00:00", "Persistent=true", "WantedBy=timers.target"} {
		if !slices.Contains(timer, want) {
			t.Errorf("the timer lacks %s: %v", want, timer)
		}
	}
}
