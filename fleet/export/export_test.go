package export_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/courier"
	"stackpolicy/fleet/export"
	"stackpolicy/history"
	"stackpolicy/lab/hub"
)

// Each month has the audits that ended in it, the findings that were open in it and the actions
// that began in it, of every source.
func TestMonth(t *testing.T) {
	h := hub.New(t)
	h.StartArchiver()
	october := time.Date(2026, 10, 30, 12, 0, 0, 0, time.UTC)
	hosts := []*hub.Host{h.Enroll("web", "alice", october), h.Enroll("db", "alice", october)}
	for _, x := range hosts {
		x.Audit(october, "a", "exited")
		id, err := x.Store.Intend(t.Context(), history.Action{At: october.Add(time.Hour), Action: "restart", Subject: "web.service"}, nil)
		if err == nil {
			err = x.Store.Conclude(t.Context(), id, history.Done, "", 5)
		}
		if err != nil {
			t.Fatal(err)
		}
		x.Audit(october.Add(3*24*time.Hour), "b", "exited") // in November
		x.Audit(october.Add(4*24*time.Hour), "c")
		if _, err := courier.Send(t.Context(), x.Options); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Await(20*time.Second, hosts...); err != nil {
		t.Fatal(err)
	}
	a := archive.OpenReadOnly(h.Data, h.Keys.Registry.Public())
	defer a.Close()
	for month, want := range map[time.Month][3]int{time.September: {0, 0, 0}, time.October: {2, 2, 2}, time.November: {4, 2, 0}, time.December: {0, 0, 0}} {
		dir := t.TempDir()
		if err := export.Month(t.Context(), a, time.Date(2026, month, 15, 1, 2, 3, 0, time.UTC), dir); err != nil {
			t.Fatal(err)
		}
		audits, findings, actions := read[export.Audit](t, dir, export.Audits), read[export.Finding](t, dir, export.Findings), read[export.Action](t, dir, export.Actions)
		if got := [3]int{len(audits), len(findings), len(actions)}; got != want {
			t.Errorf("%s: %v audits, findings and actions, want %v", month, got, want)
		}
		if month == time.November {
			f := findings[0]
			if f.Evidence != `{"case":"exited"}` || f.ResolvedAt == nil || !f.ResolvedAt.Equal(october.Add(4*24*time.Hour)) || f.WaivedUntil != nil || f.Severity != "page" {
				t.Errorf("%+v", f)
			}
			if x := audits[0]; x.Count != 1 || x.Document == "" || !x.To.Equal(october.Add(4*24*time.Hour)) {
				t.Errorf("%+v", x)
			}
		}
	}
}

func read[T any](t *testing.T, dir, name string) []T {
	t.Helper()
	rows, err := parquet.ReadFile[T](filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
