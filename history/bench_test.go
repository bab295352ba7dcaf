package history

import (
	"fmt"
	"os"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

const (
	audits  = 288 // a day, one each five minutes
	perYear = 365 * audits
)

// life simulates 50 units over time: each hour a timer's service runs, ten times a day a
// container is unhealthy for one audit, each day three containers are updated and one unit
// is restarted as a heal, each week everything is deployed again.
type life struct {
	s   *Store
	doc *facts.Document
	n   int // audits so far
}

func (l *life) now() time.Time { return noon.Add(time.Duration(l.n) * 5 * time.Minute) }

func (l *life) live(t testing.TB, count int) {
	for range count {
		l.audit(t)
	}
}

func (l *life) audit(t testing.TB) {
	t.Helper()
	now, findings := l.now(), []finding.Finding{broken("file_declared", "u003.service", "different")}
	if l.n%12 == 5 {
		l.doc.Units[9].Loaded.ActiveSince = &now
	}
	if l.n%audits == 100 {
		l.update(now)
	}
	if l.n%(7*audits) == 200 {
		l.deploy(now)
	}
	unwell := l.n%28 == 7
	if unwell {
		l.doc.Units[0].Containers[0].Health = "unhealthy"
		findings = append(findings, broken("stack_running", "u000.service", "unhealthy"))
	}
	if l.n%audits == 50 {
		l.heal(t, now)
	}
	must(l.s.Recall(t.Context(), now))(t)
	recorded(t, l.s, audited(l.doc, now, findings...))
	if unwell {
		l.doc.Units[0].Containers[0].Health = "healthy"
	}
	l.n++
}

func (l *life) update(now time.Time) {
	changed := 0
	for i := range l.doc.Units {
		for j := range l.doc.Units[i].Containers {
			if changed++; changed > 3 {
				return
			}
			c := &l.doc.Units[i].Containers[j]
			c.ID, c.StartedAt = fmt.Sprintf("%064x", now.UnixNano()), &now
		}
	}
}

func (l *life) deploy(now time.Time) {
	l.doc.Manager.LoadedAt = now
	for i := range l.doc.Units {
		for j := range l.doc.Units[i].Files {
			f := &l.doc.Units[i].Files[j]
			f.FirstHop, f.LinkMtime, f.ChangedAt = fmt.Sprintf("/nix/store/%032x-home-manager-files/x", now.UnixNano()), &now, &now
			f.DeclaredTarget = f.FirstHop
		}
	}
}

func (l *life) heal(t testing.TB, now time.Time) {
	t.Helper()
	l.doc.Units[1].Loaded.ActiveState = "failed"
	id := must(l.s.Intend(t.Context(), restart(now, ""), l.doc))(t)
	l.doc.Units[1].Loaded.ActiveState, l.doc.Units[1].Loaded.ActiveSince = "active", &now
	if err := l.s.Conclude(t.Context(), id, Done, "", 700); err != nil {
		t.Fatal(err)
	}
	if err := l.s.Verified(t.Context(), id, true, l.doc); err != nil {
		t.Fatal(err)
	}
}

// onDisk returns the size of the history after it was closed.
func onDisk(t testing.TB, s *Store) int64 {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.db.Path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A year of 50 units takes at most 50 MB. An audit in which nothing changed takes, on
// average, no space.
func TestRoom(t *testing.T) {
	s, home := opened(t)
	l := &life{s: s, doc: document(t, 50)}
	l.live(t, 1)
	first := onDisk(t, s)
	const days = 8
	l.s = reopened(t, home)
	l.live(t, days*audits)
	year := first + (onDisk(t, l.s)-first)*365/days
	t.Logf("%d audits: a year takes %.1f MB", l.n, float64(year)/1e6)
	if year > 50e6 {
		t.Errorf("a year takes %d bytes, want at most 50 MB", year)
	}
	s = reopened(t, home)
	at := l.now()
	recorded(t, s, audited(l.doc, at))
	before := onDisk(t, s)
	s = reopened(t, home)
	const unchanged = 300
	for range unchanged {
		at = at.Add(5 * time.Minute)
		recorded(t, s, audited(l.doc, at))
	}
	if grown := onDisk(t, s) - before; grown > 200*unchanged {
		t.Errorf("%d audits without a change took %d bytes, want at most %d", unchanged, grown, 200*unchanged)
	}
}

// BenchmarkUnchanged measures the history's part of an audit of 50 units in which nothing
// changed, including opening and closing it.
func BenchmarkUnchanged(b *testing.B) {
	s, home := opened(b)
	s.Close()
	doc, at := document(b, 50), noon
	for b.Loop() {
		at = at.Add(5 * time.Minute)
		s := must(Open(b.Context(), home, at))(b)
		must(s.Recall(b.Context(), at))(b)
		recorded(b, s, audited(doc, at))
		s.Close()
	}
}

// BenchmarkYear measures the history's part of an audit of 50 units after a year. Simulating
// the year takes some minutes.
func BenchmarkYear(b *testing.B) {
	s, _ := opened(b)
	l := &life{s: s, doc: document(b, 50)}
	l.live(b, perYear)
	size := must(s.db.Size(b.Context()))(b)
	for b.Loop() {
		l.audit(b)
	}
	b.ReportMetric(float64(size)/1e6, "MB")
	start := time.Now()
	if err := s.Prune(b.Context(), l.now(), 90*day, 50e6); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/first-prune")
	start = time.Now()
	if err := s.Prune(b.Context(), l.now(), 90*day, 50e6); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(start).Microseconds()), "µs/idle-prune")
}
