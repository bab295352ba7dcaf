package history

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
)

func TestExemptions(t *testing.T) {
	s, home := opened(t)
	hold := facts.Exemption{Reason: "disk", Owner: "ada", Since: noon, Until: noon.Add(2 * time.Hour)}
	waiver := facts.Exemption{Invariant: "probes_answer", Reason: "known", Owner: "bob", Since: noon, Until: noon.Add(3 * day)}
	longer := hold
	longer.Until = noon.Add(4 * time.Hour)
	for _, e := range []facts.Exemption{hold, waiver, longer} {
		if err := s.Exempt(t.Context(), "web.service", e); err != nil {
			t.Fatal(err)
		}
	}
	exempt := func(s *Store, at time.Time) []facts.Exemption {
		return must(s.Recall(t.Context(), at))(t).Of("web.service").Exemptions
	}
	if d := cmp.Diff([]facts.Exemption{longer, waiver}, exempt(s, noon)); d != "" {
		t.Errorf("the later hold replaces the earlier: -want +got\n%s", d)
	}
	if h := must(s.Recall(t.Context(), noon))(t).Of("web.service"); h.HeldAt(noon) == nil || h.HeldAt(longer.Until) != nil {
		t.Error("a hold is in force until its end, and not at it")
	}
	if got := exempt(s, longer.Until.Add(8*day)); len(got) != 1 {
		t.Errorf("a week after its end a hold is still remembered: %+v", got)
	}
	if ended := must(s.EndExemption(t.Context(), "web.service", ""))(t); !ended {
		t.Error("there was a hold")
	}
	if ended := must(s.EndExemption(t.Context(), "web.service", ""))(t); ended {
		t.Error("there is no hold any more")
	}
	if d := cmp.Diff([]facts.Exemption{waiver}, exempt(reopened(t, home), noon)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestVersion1: a history of the earlier version can be used. It is read as it is, and
// upgraded when it is opened for writing. Its content is kept.
func TestVersion1(t *testing.T) {
	s, home := opened(t)
	recorded(t, s, audited(document(t, 1), noon))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", Path(home))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("DROP TABLE exemptions; ALTER TABLE messages DROP COLUMN verdict; PRAGMA user_version = 1;"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	reader, err := OpenReadOnly(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	if m := must(reader.Recall(t.Context(), noon))(t); m.Audits != 1 {
		t.Errorf("read: %+v", m)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = reopened(t, home)
		if m := must(s.Recall(t.Context(), noon))(t); m.Audits != 1 || s.Notice() != "" {
			t.Errorf("opened: %+v, %q", m, s.Notice())
		}
		if err := s.Exempt(t.Context(), "web.service", facts.Exemption{Since: noon, Until: noon.Add(day)}); err != nil {
			t.Error(err)
		}
	}
	if aside := must(filepath.Glob(Path(home) + ".damaged*"))(t); len(aside) != 0 {
		t.Errorf("set aside: %v", aside)
	}
}
