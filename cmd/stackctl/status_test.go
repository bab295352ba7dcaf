package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/stack"
)

// TestWriteText: what comes from outside is harmless, and one line each.
func TestWriteText(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	before := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	list := []stack.Status{
		{
			Stack: "db", Unit: "db.service", State: "up", ActiveState: "active", Result: "success", AppliedAt: before(3 * 24 * time.Hour),
			Services: []stack.ServiceStatus{
				{Service: "db", Container: "db_db_1", State: "running", Health: "healthy", StartedAt: before(90 * time.Minute)},
				{Service: "migrate", Container: "db_migrate_1", State: "exited"},
			},
		},
		{
			Stack: "web", Unit: "web.service", State: "up-apply-failed", ActiveState: "failed", Result: "exit-code",
			AppliedAt: before(5 * time.Second), LastStep: "verify", LastStatus: 30, LastMessage: "failed\x1b[2J",
			Services: []stack.ServiceStatus{
				{Service: "app\x1b[2J", Container: "web\n_app_1", State: "running", Health: "sick\x07", Restarts: 3, StartedAt: before(-time.Hour)},
				{Service: "cache", State: "missing"},
				{Service: "job", Container: "web_job_1", State: "exited", ExitCode: 137, Health: "unhealthy"},
			},
			Problems: []string{"down\u202e"}, Hint: "see why",
			Audit: []stack.AuditedFinding{{Invariant: "file_declared", Severity: "ticket", Message: "differs\r"}},
		},
	}
	list = append(list, stack.Status{
		Stack: "new", Unit: "new.service", State: "up-apply-failed", ActiveState: "inactive",
		LastStep: "preflight", LastStatus: 18, LastMessage: "no network",
	})
	const want = `db: up
  db       running for 1h, healthy  db_db_1
  migrate  exited (0)               db_migrate_1
  unit: db.service is active
  applied 3d ago

web: up, but the last apply failed
  app\x1b[2J  running for 0s, sick\x07, restarts: 3  web\x0a_app_1
  cache       missing                                
  job         exited (137)                           web_job_1
  unit: web.service is failed (exit-code)
  applied 5s ago; then verify ended with 30: failed\x1b[2J
  problem: down\u202e
  audit: file_declared (ticket): differs\x0d
  next: see why

new: up, but the last apply failed
  unit: new.service is inactive
  never applied; then preflight ended with 18: no network
`
	var got strings.Builder
	if err := writeText(&got, observed{list, now}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Minute: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1min", 119 * time.Minute: "1h", 49 * time.Hour: "2d",
	} {
		if got := age(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}
