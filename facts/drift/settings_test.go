package drift

import (
	"strings"
	"testing"
	"time"

	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// exec is a command as D-Bus shows it.
func exec(words ...string) []systemd.Exec { return []systemd.Exec{{Path: words[0], Argv: words}} }

func TestCompareSettings(t *testing.T) {
	spec := unitfile.Specifiers{'n': "web.service", 'h': "/home/a"}
	service := func(change func(*systemd.Service)) systemd.Unit {
		s := systemd.Service{Type: "simple", TimeoutStart: 90 * time.Second}
		change(&s)
		return systemd.Unit{Service: &s}
	}
	plain := service(func(*systemd.Service) {})
	for name, tc := range map[string]struct {
		loaded systemd.Unit
		onDisk string
		want   string // keys that differ
	}{
		"nothing is set":                       {plain, "", ""},
		"description":                          {systemd.Unit{Description: "a"}, "[Unit]\nDescription=b", "Description"},
		"the same description":                 {systemd.Unit{Description: "a"}, "[Unit]\nDescription=a", ""},
		"an empty description":                 {systemd.Unit{Description: "web.service"}, "[Unit]\nDescription=", ""},
		"a specifier":                          {systemd.Unit{Description: "web.service"}, "[Unit]\nDescription=%n", ""},
		"another specifier":                    {systemd.Unit{Description: "web.service"}, "[Unit]\nDescription=%h", "Description"},
		"a specifier that is not known":        {systemd.Unit{Description: "x"}, "[Unit]\nDescription=%H", ""},
		"documentation":                        {systemd.Unit{Documentation: []string{"man:a"}}, "[Unit]\nDocumentation=man:b", "Documentation"},
		"documentation that is gone":           {systemd.Unit{Documentation: []string{"man:a"}}, "[Unit]", "Documentation"},
		"documentation in several lines":       {systemd.Unit{Documentation: []string{"man:a", "man:b"}}, "[Unit]\nDocumentation=man:a\nDocumentation=man:b", ""},
		"documentation that is not understood": {systemd.Unit{Documentation: []string{"man:a"}}, "[Unit]\nDocumentation=\"man:b", ""},
		"not a service":                        {systemd.Unit{}, "[Service]\nType=oneshot\nExecStart=/bin/true", ""},
		"type":                                 {plain, "[Service]\nType=oneshot", "Type"},
		"a type that older systemds ignore":    {plain, "[Service]\nType=notify-reload", ""},
		"remains after exit":                   {plain, "[Service]\nRemainAfterExit=yes", "RemainAfterExit"},
		"no longer remains after exit":         {service(func(s *systemd.Service) { s.RemainAfterExit = true }), "", "RemainAfterExit"},
		"remains in other words":               {service(func(s *systemd.Service) { s.RemainAfterExit = true }), "[Service]\nRemainAfterExit=1", ""},
		"an odd boolean is ignored":            {plain, "[Service]\nRemainAfterExit=maybe", ""},
		"a time limit":                         {plain, "[Service]\nTimeoutStartSec=5", "TimeoutStartSec"},
		"the same time limit in other words":   {plain, "[Service]\nTimeoutStartSec=1min 30s", ""},
		"a time limit by default":              {plain, "", ""},
		"no time limit":                        {service(func(s *systemd.Service) { s.TimeoutStart = -1 }), "[Service]\nTimeoutStartSec=infinity", ""},
		"zero is no time limit":                {service(func(s *systemd.Service) { s.TimeoutStart = -1 }), "[Service]\nTimeoutStartSec=0", ""},
		"a time limit where there was none":    {service(func(s *systemd.Service) { s.TimeoutStart = -1 }), "[Service]\nTimeoutStartSec=90", "TimeoutStartSec"},
		"two settings for one limit":           {plain, "[Service]\nTimeoutStartSec=5\nTimeoutSec=90", ""},
		"an empty time limit":                  {plain, "[Service]\nTimeoutStartSec=5\nTimeoutStartSec=", ""},
		"an odd time limit":                    {plain, "[Service]\nTimeoutStartSec=5parsec", ""},
		"a command":                            {service(func(s *systemd.Service) { s.ExecStart = exec("/bin/a", "x") }), "[Service]\nExecStart=/bin/a y", "ExecStart"},
		"the same command":                     {service(func(s *systemd.Service) { s.ExecStart = exec("/bin/a", "x y") }), "[Service]\nExecStart=/bin/a 'x y'", ""},
		"words are not joined":                 {service(func(s *systemd.Service) { s.ExecStart = exec("/bin/a", "x", "y") }), "[Service]\nExecStart=/bin/a 'x y'", "ExecStart"},
		"a command that is gone":               {service(func(s *systemd.Service) { s.ExecStartPost = exec("/bin/a") }), "", "ExecStartPost"},
		"a command that is new":                {plain, "[Service]\nExecStartPre=/bin/a", "ExecStartPre"},
		"commands in another order":            {service(func(s *systemd.Service) { s.ExecStart = append(exec("/bin/a"), exec("/bin/b")...) }), "[Service]\nExecStart=/bin/b\nExecStart=/bin/a", "ExecStart"},
		"a failure is ignored":                 {service(func(s *systemd.Service) { s.ExecStart = exec("/bin/a") }), "[Service]\nExecStart=-/bin/a", "ExecStart"},
		"a command that is not understood":     {service(func(s *systemd.Service) { s.ExecStart = exec("/bin/a") }), "[Service]\nExecStart=/bin/b \"", ""},
		"a variable":                           {service(func(s *systemd.Service) { s.Environment = []string{"A=1"} }), "[Service]\nEnvironment=A=2", "Environment"},
		"a variable that is gone":              {service(func(s *systemd.Service) { s.Environment = []string{"A=1"} }), "", "Environment"},
		"variables in another order":           {service(func(s *systemd.Service) { s.Environment = []string{"A=1", "B=2"} }), "[Service]\nEnvironment=B=2 A=1", ""},
		"the last assignment counts":           {service(func(s *systemd.Service) { s.Environment = []string{"A=2"} }), "[Service]\nEnvironment=A=1\nEnvironment=A=2", ""},
		"variables that are not understood":    {service(func(s *systemd.Service) { s.Environment = []string{"A=1"} }), "[Service]\nEnvironment=\"A=2", ""},
		"several":                              {service(func(s *systemd.Service) { s.ExecStart = exec("/bin/a") }), "[Service]\nType=oneshot\nEnvironment=A=1", "Type ExecStart Environment"},
	} {
		var got []string
		for _, d := range compareSettings(tc.loaded, settings(t, tc.onDisk), spec) {
			if d.Loaded == d.OnDisk {
				t.Errorf("%s: %s differs although both are %q", name, d.Key, d.Loaded)
			}
			got = append(got, d.Key)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %q differ, want %q", name, got, tc.want)
		}
	}
}

// Arguments and variables may hold secrets: only their number and a digest are
// reported.
func TestDifferencesHoldNoSecrets(t *testing.T) {
	loaded := systemd.Unit{Service: &systemd.Service{
		Type: "simple", ExecStart: exec("/bin/a", "--password=old-secret"), Environment: []string{"TOKEN=old-secret"},
	}}
	onDisk := settings(t, "[Service]\nExecStart=/bin/a --password=new-secret\nEnvironment=TOKEN=new-secret\n")
	got := compareSettings(loaded, onDisk, nil)
	if len(got) != 2 {
		t.Fatalf("got %v, want two differences", got)
	}
	for _, d := range got {
		for _, side := range []string{d.Loaded, d.OnDisk} {
			if strings.Contains(side, "secret") || strings.Contains(side, "TOKEN") || !strings.HasPrefix(side, "1 ") || !strings.Contains(side, "sha256:") {
				t.Errorf("%s: %q", d.Key, side)
			}
		}
	}
}

func TestTimeLimitsAreReadable(t *testing.T) {
	loaded := systemd.Unit{Service: &systemd.Service{Type: "simple", TimeoutStart: 90 * time.Second}}
	got := compareSettings(loaded, settings(t, "[Service]\nTimeoutStartSec=infinity"), nil)
	if len(got) != 1 || got[0].Loaded != "1m30s" || got[0].OnDisk != "infinity" {
		t.Errorf("got %+v", got)
	}
}

func TestRepeats(t *testing.T) {
	for text, want := range map[string]bool{
		"OnUnitActiveSec=1h": true, "OnUnitInactiveSec=1h": true, "OnBootSec=1min\nOnUnitActiveSec=1h": true,
		"OnCalendar=daily": true, "OnCalendar=*-*-* 04:00": true, "OnCalendar=Mon *-*-01": true, "OnCalendar=2026-*-01": true,
		"OnCalendar=2026-01-01 04:00\nOnCalendar=weekly": true,
		"OnBootSec=1min": false, "OnStartupSec=1min": false, "OnActiveSec=1min": false, "Persistent=yes": false,
		"OnCalendar=2026-01-01": false, "OnCalendar=Thu 2026-01-01 04:00": false, "OnCalendar=@1767225600": false,
		"OnUnitActiveSec=1h\nOnUnitActiveSec=": false,
	} {
		if got := repeats(settings(t, "[Timer]\n"+text)); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
