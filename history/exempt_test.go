package history

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
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

// older makes a history of an earlier version out of one of the present version.
var older = map[int]string{
	2: "DROP TABLE rules; ALTER TABLE spans DROP COLUMN verdict; PRAGMA user_version = 2;",
	1: "DROP TABLE rules; ALTER TABLE spans DROP COLUMN verdict; DROP TABLE exemptions; ALTER TABLE messages DROP COLUMN verdict; PRAGMA user_version = 1;",
}

// TestOlderVersions: a history of an earlier version can be used. It is read as it is, and
// upgraded when it is opened for writing. Its content is kept.
func TestOlderVersions(t *testing.T) {
	for version, change := range older {
		t.Run(fmt.Sprint(version), func(t *testing.T) { testOlder(t, change) })
	}
}

func testOlder(t *testing.T, change string) {
	s, home := opened(t)
	recorded(t, s, audited(document(t, 1), noon))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", Path(home))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(change); err != nil {
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
	if spans := must(reader.Audits(t.Context(), time.Time{}, 9))(t); len(spans) != 1 || spans[0].VerdictDigest != "" {
		t.Errorf("read: %+v", spans)
	}
	if _, err := reader.Rules(t.Context(), "sha256:0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rules that were not kept: %v", err)
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

// TestRulesAndVerdicts: the files of policies are kept once, as long as an audit has them. An
// audit with another verdict begins a new span.
func TestRulesAndVerdicts(t *testing.T) {
	s, _ := opened(t)
	asked := 0
	audit := func(i int, policy, verdict string) {
		t.Helper()
		a := audited(document(t, 1), noon.Add(time.Duration(i)*10*time.Minute))
		a.PolicyDigest, a.Verdict = policy, verdict
		a.Rules = func() ([]byte, error) { asked++; return []byte("rules " + policy), nil }
		recorded(t, s, a)
	}
	audit(0, "sha256:a", "v1")
	audit(1, "sha256:a", "v1")
	audit(2, "sha256:a", "v2")
	audit(3, "sha256:b", "v2")
	spans := must(s.Audits(t.Context(), time.Time{}, 9))(t)
	if len(spans) != 3 || spans[0].VerdictDigest != "v2" || spans[2].VerdictDigest != "v1" || spans[2].Count != 2 {
		t.Errorf("got %+v", spans)
	}
	for digest, want := range map[string]string{"sha256:a": "rules sha256:a", "sha256:b": "rules sha256:b"} {
		if got := must(s.Rules(t.Context(), digest))(t); string(got) != want {
			t.Errorf("%s: %q", digest, got)
		}
	}
	if asked != 2 {
		t.Errorf("the files were asked for %d times", asked)
	}
	if err := s.Prune(t.Context(), noon.AddDate(2, 0, 0), 30*day, 1<<30); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rules(t.Context(), "sha256:a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rules that no audit has: %v", err)
	}
	if got := must(s.Rules(t.Context(), "sha256:b"))(t); len(got) == 0 {
		t.Error("the last audit's rules are gone")
	}
}
