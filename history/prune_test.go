package history

import (
	"fmt"
	"os"
	"testing"
	"time"

	"stackpolicy/finding"
	"stackpolicy/internal/sqlite"
)

// counted returns how many rows a query counts.
func counted(t *testing.T, s *Store, from string) (n int) {
	t.Helper()
	if err := s.db.View(t.Context(), func(tx sqlite.Tx) error { return tx.One("SELECT count(*) FROM " + from).Scan(&n) }); err != nil {
		t.Fatal(err)
	}
	return n
}

// months is a history of days. Each day has a different document, an action, a finding that
// appears and is resolved, and an alert.
func months(t *testing.T, days int) (s *Store, end time.Time) {
	t.Helper()
	s, _ = opened(t)
	doc := document(t, 3)
	for d := range days {
		end = noon.Add(time.Duration(d) * day)
		doc.Units[0].Loaded.Restarts = d
		found := []finding.Finding{broken("open", "u000.service", "")}
		if d%2 == 0 {
			found = append(found, broken("comes_and_goes", "u001.service", ""))
		}
		id := must(s.Intend(t.Context(), restart(end, ""), doc))(t)
		if err := s.Verified(t.Context(), id, true, doc); err != nil {
			t.Fatal(err)
		}
		recorded(t, s, audited(doc, end, found...))
		if err := s.Enqueue(t.Context(), []Message{message(fmt.Sprint(d), end)}); err != nil {
			t.Fatal(err)
		}
		if d > 0 {
			if err := s.Delivered(t.Context(), int64(d), end); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s, end
}

func TestPruneByAge(t *testing.T) {
	s, end := months(t, 60)
	if err := s.Prune(t.Context(), end, 10*day, 1<<40); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]int{
		"spans": 11, "documents": 11, "parts": 10 + 3 + 1, "actions": 11, "messages": 11,
		"standings WHERE resolved IS NULL": 1, "standings WHERE resolved IS NOT NULL": 6,
	} {
		if got := counted(t, s, from); got != want {
			t.Errorf("%d %s, want %d", got, from, want)
		}
	}
	if m := must(s.Recall(t.Context(), end))(t); m.Audits != 60 || !m.Since.Equal(noon) {
		t.Errorf("remembers %d audits since %s", m.Audits, m.Since)
	}
	last := must(s.LastAudit(t.Context()))(t)
	must(s.Document(t.Context(), last.DocumentDigest, end))(t)
}

// Old entries are deleted in steps.
func TestPruneHasPatience(t *testing.T) {
	s, end := months(t, 12)
	for hours, want := range map[time.Duration]int{0: 12, 20: 12} {
		if err := s.Prune(t.Context(), end.Add(hours*time.Hour), 11*day, 1<<40); err != nil {
			t.Fatal(err)
		}
		if got := counted(t, s, "spans"); got != want {
			t.Errorf("after %d hours %d spans, want %d", hours, got, want)
		}
	}
}

func TestPruneBySize(t *testing.T) {
	s, end := months(t, 300)
	size := func() int64 { return must(s.db.Size(t.Context()))(t) }
	whole := size()
	if err := s.Prune(t.Context(), end, 1000*day, whole*3/4); err != nil {
		t.Fatal(err)
	}
	if size() > whole*3/4 {
		t.Errorf("%d bytes, want at most %d", size(), whole*3/4)
	}
	if got := counted(t, s, "spans"); got != 300 {
		t.Errorf("%d audits are left; only documents had to go", got)
	}
	newest := must(s.Audits(t.Context(), time.Time{}, 300))(t)
	if newest[0].DocumentDigest == "" || newest[299].DocumentDigest != "" {
		t.Errorf("not the oldest document went: %+v, %+v", newest[299], newest[0])
	}
	if err := s.Prune(t.Context(), end, 1000*day, 1); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]int{
		"spans": 1, "actions": 2, "documents": 2, "messages": 1,
		"standings WHERE resolved IS NULL": 1, "standings WHERE resolved IS NOT NULL": 0,
	} {
		if got := counted(t, s, from); got != want {
			t.Errorf("with no room at all %d %s, want %d", got, from, want)
		}
	}
	info := must(os.Stat(s.db.Path))(t)
	if info.Size() > 200<<10 {
		t.Errorf("the file still has %d bytes", info.Size())
	}
	if m := must(s.Recall(t.Context(), end))(t); m.Audits != 300 || len(m.Subjects["u000.service"].Findings) != 1 {
		t.Errorf("an open finding was deleted: %+v", m)
	}
}
