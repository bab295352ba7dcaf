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

// TestHardened: every hardening of the audit is also in the report, which has no sockets,
// in the watch, and in the unit that sends alerts, which has only the network. The audit and
// the watch have only local sockets.
func TestHardened(t *testing.T) {
	audit := settings(t, "stackpolicy-audit.service")
	from := slices.Index(audit, "NoNewPrivileges=yes")
	if from < 0 {
		t.Fatal("the audit's hardening is not where it was")
	}
	if !slices.Contains(audit, "RestrictAddressFamilies=AF_UNIX") {
		t.Error("the audit has more than local sockets")
	}
	for name, sockets := range map[string]string{"stackpolicy-report.service": "none", "stackpolicy-watch.service": "AF_UNIX", "stackpolicy-alerts.service": "AF_INET AF_INET6"} {
		unit := settings(t, name)
		if !slices.Contains(unit, "RestrictAddressFamilies="+sockets) {
			t.Errorf("%s has other sockets than %s", name, sockets)
		}
		for _, line := range audit[from:] {
			key, _, _ := strings.Cut(line, "=")
			if !slices.Contains([]string{"RestrictAddressFamilies", "MemoryMax", "Environment", "Nice"}, key) && !slices.Contains(unit, line) {
				t.Errorf("%s lacks %s", name, line)
			}
		}
		for _, line := range unit {
			if strings.Contains(strings.ReplaceAll(line, "%%", ""), "%S") {
				t.Errorf("%s: %s: %%S is ~/.config for systemd 252", name, line)
			}
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

// TestWatchIsAnAudit: the watch has the memory of the audit, what it needs of other units,
// and no limit to its starts or its life.
func TestWatchIsAnAudit(t *testing.T) {
	watch := settings(t, "stackpolicy-watch.service")
	for _, line := range settings(t, "stackpolicy-audit.service") {
		switch key, value, _ := strings.Cut(line, "="); key {
		case "Description", "Type", "ExecStartPre", "SuccessExitStatus":
		case "ExecStart":
			if want := "ExecStart=" + strings.Replace(value, " eval ", " watch ", 1); !slices.Contains(watch, want) {
				t.Errorf("the watch lacks %s", want)
			}
		default:
			if !slices.Contains(watch, line) {
				t.Errorf("the watch lacks %s", line)
			}
		}
	}
	for _, want := range []string{"Type=notify", "WatchdogSec=30s", "Restart=on-failure", "StartLimitIntervalSec=0", "WantedBy=default.target"} {
		if !slices.Contains(watch, want) {
			t.Errorf("the watch lacks %s", want)
		}
	}
	for _, line := range watch {
		// Conflicts= would end the watch: to start any unit is also to start basic.target, and
		// with it a timer that is enabled, and systemd stops what conflicts with that.
		if key, _, _ := strings.Cut(line, "="); slices.Contains([]string{"Conflicts", "RuntimeMaxSec", "StartLimitBurst"}, key) {
			t.Errorf("the watch has %s", line)
		}
	}
}
