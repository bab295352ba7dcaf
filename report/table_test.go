package report

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stackpolicy/audit"
	"stackpolicy/decide/policy"
	"stackpolicy/decide/regotest"
	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

func fine() *audit.Report {
	return reported(0, allowed("linger_enabled", "host"), allowed("file_declared", "web.service"), allowed("file_declared", "files.service"))
}

// broken has a bit of everything that observing can show.
func broken() *audit.Report {
	silence := "reach the user manager: connect to unix:path=/run/user/1000/bus: no such file\nconnect to unix:path=/run/user/1000/systemd/private: no such file"
	r := reported(2,
		unseen("audit_timer_active", "manager", "systemd", silence),
		unseen("file_declared", "units.files", "files", "rests on the systemd collector: "+silence),
		unseen("links_resolve", "units.files", "files", "rests on the systemd collector: "+silence),
		unseen("stack_running", "units.loaded", "systemd", "not for web.service"),
		blocked("stack_owned", "host", "unknown", "cannot be decided: invariants/stack_owned/stack_owned.rego:23: eval_conflict_error: complete rules must not produce multiple outputs"),
		allowed("linger_enabled", "host"),
		toHeal("feeds.service", finding.Planned),
		blocked("links_resolve", "files.service", "ticket", "the link default.target.wants/files.service points to nothing"),
		toHeal("files.service", finding.Planned),
		allowed("file_declared", "files.service"),
		blocked("applied", "web.service", "ticket", "web.service was not applied since its definition changed"),
		blocked("file_declared", "web.service", "page", "/home/alice/.config/systemd/user/web.service is declared, but gone from disk"),
	)
	r.Gaps = []audit.Gap{
		{Collector: "files", Error: "rests on the systemd collector: " + silence},
		{Collector: "systemd", Error: silence},
		{Collector: "config", Error: "units: the pattern lab-*.service matches no unit"},
	}
	r.Actions = []enforce.Action{reload(enforce.Planned, "", "feeds.service", "files.service")}
	return r
}

// acted is what an enforcing audit can show.
func acted() *audit.Report {
	after := blocked("stack_running", "db.service", "page", "db.service is active, and its container db-app-1 is exited")
	after.AppearedAfter = []finding.Action{finding.DaemonReload}
	later := toHeal("web.service", finding.Planned)
	later.AppearedAfter = []finding.Action{finding.DaemonReload}
	ghost := blocked("no_ghost_failure", "old.service", "ticket", "old.service is failed, and no longer exists")
	ghost.Effect, ghost.Action, ghost.Outcome = "heal", "reset-failed", finding.Refused
	r := reported(2, allowed("linger_enabled", "host"),
		toHeal("feeds.service", finding.Healed), toHeal("files.service", finding.HealFailed), ghost, after, later)
	r.Mode = "enforce"
	r.Actions = []enforce.Action{
		reload(enforce.Done, "", "feeds.service", "files.service"),
		{Action: "reset-failed", Subject: "old.service", Status: enforce.Refused,
			Message: "old.service is neither managed nor a failed unit without a file",
			Reasons: []enforce.Reason{{Invariant: "no_ghost_failure", Subject: "old.service"}}},
		{Action: "restart", Subject: "web.service", Status: enforce.Failed,
			Message: `restart unit "web.service": the job ended with "timeout"`,
			Reasons: []enforce.Reason{{Invariant: "stack_running", Subject: "web.service"}}},
	}
	return r
}

// exempt has waived findings, one that counts, and a hold.
func exempt() *audit.Report {
	page := blocked("stack_running", "web.service", "page", "web.service is active, and its container web-app-1 is exited")
	page.Waiver = &finding.Waiver{Reason: "moves to another machine, which takes its time", Owner: "ada", Until: time.Date(2026, 4, 1, 2, 0, 0, 0, time.FixedZone("", 7200))}
	heal := toHeal("web.service", "")
	heal.Waiver = page.Waiver
	r := reported(1, allowed("linger_enabled", "host"), page, heal,
		blocked("links_resolve", "files.service", "ticket", "the link default.target.wants/files.service points to nothing"))
	r.Holds = []facts.Hold{{Unit: "db.service", Reason: "gets a new disk", Owner: "ada", Until: page.Waiver.Until}}
	return r
}

func TestTable(t *testing.T) {
	reports := map[string]*audit.Report{"fine": fine(), "broken": broken(), "acted": acted(), "exempt": exempt(), "hostile": hostile()}
	for name, r := range reports {
		for _, width := range []int{40, 80, 120} {
			t.Run(fmt.Sprintf("%s_%d", name, width), func(t *testing.T) {
				got := table(t, r, Options{Width: width, Steps: steps})
				golden(t, fmt.Sprintf("%s_%d.txt", name, width), got)
				harmless(t, got, width)
			})
		}
		t.Run(name+"_color", func(t *testing.T) {
			got := string(table(t, r, Options{Width: 80, Color: true, Steps: steps}))
			golden(t, name+"_color.txt", []byte(strings.ReplaceAll(got, "\x1b", "ESC")))
			if plain := string(table(t, r, Options{Width: 80, Steps: steps})); uncolored(got) != plain {
				t.Errorf("color changes more than colours:\n%s\nand plain:\n%s", got, plain)
			}
		})
	}
}

func TestForeseenRefusal(t *testing.T) {
	r := reported(1, toHeal("web.service", finding.Refused))
	r.Actions = []enforce.Action{reload(enforce.Refused, "a Home Manager activation is running", "web.service")}
	golden(t, "foreseen_80.txt", table(t, r, Options{Width: 80, Steps: steps}))
}

func TestTheWorstComesFirst(t *testing.T) {
	got := string(table(t, broken(), Options{Width: 80, Steps: steps}))
	order := []string{"web.service\n  PAGE", "host\n  UNKNOWN  stack_owned", "files.service\n  TICKET", "feeds.service\n  HEAL", "could not be collected", "what --enforce would do", "CRITICAL"}
	last := -1
	for _, s := range order {
		at := strings.Index(got, s)
		if at <= last {
			t.Errorf("%q is at %d, after %d:\n%s", s, at, last, got)
		}
		last = at
	}
	if n := strings.Count(got, "connect to unix:path=/run/user/1000/bus"); n != 1 {
		t.Errorf("the reason of the gap is there %d times, want once:\n%s", n, got)
	}
}

func TestTheTableDoesNotReorderTheReport(t *testing.T) {
	r := broken()
	before := fmt.Sprint(r.Decisions)
	table(t, r, Options{Width: 80})
	if fmt.Sprint(r.Decisions) != before {
		t.Error("the report's decisions were moved")
	}
}

func TestSummaryOfNothing(t *testing.T) {
	r := reported(3)
	r.Gaps = []audit.Gap{{Collector: "config", Error: "no unit is managed"}}
	got := string(table(t, r, Options{}))
	for _, want := range []string{"UNKNOWN  config\n    no unit is managed\n", "UNKNOWN  0 of 0 checks on 0 units hold\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}

type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestEveryWriterReturnsTheErrorOfItsOutput(t *testing.T) {
	var o Options
	writers := map[string]func() error{
		"explain": func() error { return writeExplained(full{}, Explained{Options: o}) },
		"invariants": func() error {
			return writeInvariants(full{}, Invariants{List: []policy.Invariant{{ID: "a"}}, Options: o})
		},
		"tests": func() error { return PolicyTests(full{}, regotest.Report{}, 0, false, o) },
	}
	for _, f := range Formats() {
		writers[f.Name] = func() error { return f.Write(full{}, Audited{fine(), o}) }
	}
	for name, write := range writers {
		if err := write(); !errors.Is(err, errFull) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
