// Package proof tests with real systemd user managers what stackpolicy claims about
// systemd. The tests run with the host's systemd and with another version (lab/systems).
//
// A test opens a stage, changes something, and compares the findings of an audit. Start at
// drift_test.go.
package proof

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/lab/programs"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/usermanager"
)

// program is the path of the stackpolicy program under test.
var program string

func TestMain(m *testing.M) {
	if mode := os.Getenv(sqlVariable); mode != "" {
		if err := playSQL(os.Args[1], os.Args[2:], mode == "hold"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(programs.Main(m, &program))
}

// stage is a scene whose methods end the test if they fail.
type stage struct {
	*scene.Scene
	t *testing.T
}

func open(t *testing.T, options usermanager.Options, declared map[string]string) *stage {
	t.Helper()
	s, err := scene.Open(t.Context(), program, options, declared)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	st := &stage{s, t}
	st.do(s.Podman(scene.Containers()...))
	return st
}

func (s *stage) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) systemctl(args ...string) string {
	s.t.Helper()
	out, err := s.Systemctl(s.t.Context(), args...)
	s.do(err)
	return out
}

func (s *stage) property(unit, name string) string {
	s.t.Helper()
	return s.systemctl("show", "--value", "--property="+name, unit)
}

// report has the fields of a report that the tests read.
type report struct {
	ExitCode    int       `json:"exit_code"`
	CollectedAt time.Time `json:"collected_at"`
	Gaps        []struct{ Collector, Error string }
	Decisions   []struct {
		Invariant, Subject, Effect, Severity, Message, Outcome string
		Evidence                                               map[string]any
		Waiver                                                 *struct{ Reason string }
	}
	Actions []struct{ Action, Subject, Status, Message string }
}

// eval audits. It checks that the exit status is the one in the report.
func (s *stage) eval(args ...string) report {
	s.t.Helper()
	return s.evalBy(append([]string{"stackpolicy", "eval", "-o", "json"}, args...)...)
}

// evalBy is eval with a whole command line.
func (s *stage) evalBy(argv ...string) report {
	s.t.Helper()
	r := s.Do(s.Command(s.t.Context(), argv...))
	var out report
	if err := json.Unmarshal([]byte(r.Out), &out); err != nil {
		s.t.Fatalf("%v: status %d, no report: %v\n%s%s", argv, r.Code, err, r.Out, r.Err)
	}
	if out.ExitCode != r.Code {
		s.t.Errorf("%v: exit status %d, but the report says %d", argv, r.Code, out.ExitCode)
	}
	return out
}

// findings returns "subject invariant case effect/severity[/outcome]" of every decision
// that is not an allow, sorted.
func (r report) findings() []string {
	list := []string{}
	for _, d := range r.Decisions {
		if d.Effect == "allow" {
			continue
		}
		verdict := d.Effect + "/" + d.Severity
		if d.Outcome != "" {
			verdict = d.Effect + "/" + d.Outcome
		}
		list = append(list, fmt.Sprintf("%s %s %v %s", d.Subject, d.Invariant, d.Evidence["case"], verdict))
	}
	slices.Sort(list)
	return list
}

func (r report) actions() []string {
	list := []string{}
	for _, a := range r.Actions {
		list = append(list, a.Action+" "+a.Subject+" "+a.Status)
	}
	return list
}

func (s *stage) want(what string, r report, exit int, findings ...string) {
	s.t.Helper()
	slices.Sort(findings)
	if d := cmp.Diff(append([]string{}, findings...), r.findings()); d != "" {
		s.t.Errorf("%s: findings -want +got\n%s", what, d)
		for _, x := range r.Decisions {
			if x.Effect != "allow" {
				s.t.Logf("%s %s: %s", x.Subject, x.Invariant, x.Message)
			}
		}
		for _, x := range r.Actions {
			s.t.Logf("action %s %s: %s %s", x.Action, x.Subject, x.Status, x.Message)
		}
		s.t.Logf("gaps %+v", r.Gaps)
	}
	if r.ExitCode != exit {
		s.t.Errorf("%s: exit status %d, want %d", what, r.ExitCode, exit)
	}
}

// settle waits until file times can tell a change before a reload from one after it.
func settle() { time.Sleep(scene.ClockTick) }

func (s *stage) reload() {
	s.t.Helper()
	settle()
	s.systemctl("daemon-reload")
}

// unit returns the path of a unit in the user's unit folder, relative to the home.
func unit(name string) string { return scene.UnitDir + "/" + name }

func is257(version string) bool { return strings.HasPrefix(version, "257") }
