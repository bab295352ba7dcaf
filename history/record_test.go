package history

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/sqlite"
)

// shortly returns the changes as one text: +appeared ~changed -resolved.
func shortly(c Changes) string {
	text := ""
	for _, part := range []struct {
		sign string
		list []Occurrence
	}{{"+", c.Appeared}, {"~", c.Changed}, {"-", c.Resolved}} {
		for _, s := range part.list {
			text += fmt.Sprintf("%s%s/%s#%d ", part.sign, s.Subject, s.Case(), s.ID)
		}
	}
	return text
}

func TestRecordChanges(t *testing.T) {
	down, late := broken("stack_running", "web.service", "exited"), broken("loaded_is_current", "web.service", "file-changed")
	other := down
	other.Message = "another container"
	ticket := down
	ticket.Severity = "ticket"
	container := func(name, kind string) finding.Finding {
		f := broken("stack_running", "web.service", kind)
		f.Evidence["container"] = name
		return f
	}
	until := noon.Add(time.Hour)
	waived := down
	waived.Waiver = &finding.Waiver{Reason: "known", Until: until}
	blind := finding.Finding{Invariant: "stack_running", Subject: "host", Evidence: map[string]any{"case": "gap"}, Effect: "block", Severity: "unknown"}
	blindElsewhere := finding.Finding{Invariant: "linger_enabled", Subject: "host", Evidence: map[string]any{"case": "gap"}, Effect: "block", Severity: "unknown"}
	for name, audits := range map[string][]struct {
		found, healed []finding.Finding
		want          string
	}{
		"nothing": {{nil, nil, ""}},
		"appears, is open, is gone": {
			{[]finding.Finding{down}, nil, "+web.service/exited#1 "}, {[]finding.Finding{down}, nil, ""}, {nil, nil, "-web.service/exited#1 "}, {nil, nil, ""}},
		"comes back as another": {
			{[]finding.Finding{down}, nil, "+web.service/exited#1 "}, {nil, nil, "-web.service/exited#1 "}, {[]finding.Finding{down}, nil, "+web.service/exited#2 "}},
		"other words are no change":     {{[]finding.Finding{down}, nil, "+web.service/exited#1 "}, {[]finding.Finding{other}, nil, ""}},
		"another severity is":           {{[]finding.Finding{down}, nil, "+web.service/exited#1 "}, {[]finding.Finding{ticket}, nil, "~web.service/exited#1 "}},
		"a waiver is":                   {{[]finding.Finding{down}, nil, "+web.service/exited#1 "}, {[]finding.Finding{waived}, nil, "~web.service/exited#1 "}, {[]finding.Finding{waived}, nil, ""}},
		"two of one key by their words": {{[]finding.Finding{down, other}, nil, "+web.service/exited#1 +web.service/exited#2 "}, {[]finding.Finding{other}, nil, "-web.service/exited#1 "}},
		"one recovers, another fails": {
			{[]finding.Finding{container("app", "exited")}, nil, "+web.service/exited#1 "}, {[]finding.Finding{container("db", "exited")}, nil, "+web.service/exited#2 -web.service/exited#1 "}},
		"one gets worse in another way": {
			{[]finding.Finding{container("app", "unhealthy"), container("db", "exited")}, nil, "+web.service/unhealthy#1 +web.service/exited#2 "},
			{[]finding.Finding{container("app", "exited"), container("db", "exited")}, nil, "~web.service/exited#1 "},
			{[]finding.Finding{container("app", "missing")}, nil, "~web.service/missing#1 -web.service/exited#2 "}},
		"two cases of one thing": {
			{[]finding.Finding{container("app", "a"), container("app", "b")}, nil, "+web.service/a#1 +web.service/b#2 "},
			{[]finding.Finding{container("app", "b"), container("app", "c")}, nil, "~web.service/c#1 "}},
		"another case of no thing is another": {
			{[]finding.Finding{down}, nil, "+web.service/exited#1 "}, {[]finding.Finding{broken("stack_running", "web.service", "down")}, nil, "+web.service/down#2 -web.service/exited#1 "}},
		"a gap is no resolution":          {{[]finding.Finding{down}, nil, "+web.service/exited#1 "}, {[]finding.Finding{blind}, nil, "+host/gap#2 "}, {[]finding.Finding{down}, nil, "-host/gap#2 "}},
		"a gap elsewhere is":              {{[]finding.Finding{down}, nil, "+web.service/exited#1 "}, {[]finding.Finding{blindElsewhere}, nil, "+host/gap#2 -web.service/exited#1 "}},
		"healed at once":                  {{nil, []finding.Finding{late}, "-web.service/file-changed#1 "}, {nil, nil, ""}},
		"healed later":                    {{[]finding.Finding{late}, nil, "+web.service/file-changed#1 "}, {nil, []finding.Finding{late}, "-web.service/file-changed#1 "}},
		"healed while it cannot be known": {{[]finding.Finding{down}, nil, "+web.service/exited#1 "}, {[]finding.Finding{blind}, []finding.Finding{down}, "+host/gap#2 -web.service/exited#1 "}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := opened(t)
			doc := document(t, 1)
			for i, a := range audits {
				audit := audited(doc, noon.Add(time.Duration(i)*time.Minute), a.found...)
				audit.Healed = a.healed
				if got := shortly(recorded(t, s, audit)); got != a.want {
					t.Errorf("audit %d: %q, want %q", i+1, got, a.want)
				}
			}
		})
	}
}

// TestASubjectThatLeft: a finding is resolved because its unit is gone only by an
// audit that could see that.
func TestASubjectThatLeft(t *testing.T) {
	with := func(source string, units ...string) *facts.Document {
		doc := &facts.Document{Declared: &facts.Declared{Source: source}, Units: []facts.Unit{}}
		for _, name := range units {
			doc.Units = append(doc.Units, facts.Unit{Name: name})
		}
		return doc
	}
	const home, web, other = "home-manager", "web.service", "db.service"
	undeclared := with(home, other)
	undeclared.Declared = nil
	cases := map[string]struct {
		audits   []*facts.Document // after one of home that has web.service
		gaps     []string          // of the first of them
		resolved int               // the first that resolves it; 0 for none
	}{
		"no longer declared":             {[]*facts.Document{with(home, other)}, nil, 1},
		"nothing is managed":             {[]*facts.Document{with(home)}, []string{"config: no unit is managed"}, 0},
		"known again, and in order":      {[]*facts.Document{with(home), with(home, web)}, []string{"config: no unit is managed"}, 2},
		"seen to be gone later":          {[]*facts.Document{with(home, other), with(home, other)}, []string{"systemd: timed out"}, 2},
		"the declarations are not known": {[]*facts.Document{undeclared}, nil, 0},
		"the source of declarations is gone": {
			[]*facts.Document{with("", other), with("", other), with("", other)}, nil, 0},
		"the source is back": {[]*facts.Document{with("", other), with("", other), with(home, other)}, nil, 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, _ := opened(t)
			recorded(t, s, audited(with(home, web, other), noon, broken("stack_running", web, "exited")))
			resolved := 0
			for i, doc := range c.audits {
				a := audited(doc, noon.Add(time.Duration(i+1)*time.Minute))
				if i == 0 {
					a.Gaps = c.gaps
				}
				if len(recorded(t, s, a).Resolved) > 0 && resolved == 0 {
					resolved = i + 1
				}
			}
			if resolved != c.resolved {
				t.Errorf("resolved by audit %d, want %d", resolved, c.resolved)
			}
		})
	}
}

func TestStandings(t *testing.T) {
	s, _ := opened(t)
	doc := document(t, 1)
	down, gone := broken("stack_running", "web.service", "exited"), broken("file_declared", "db.service", "missing")
	blind := finding.Finding{Invariant: "stack_running", Subject: "host", Evidence: map[string]any{"case": "gap"}, Severity: "unknown"}
	for i, found := range [][]finding.Finding{{down, gone}, {down}, {blind}, {blind}} {
		recorded(t, s, audited(doc, noon.Add(time.Duration(i)*time.Minute), found...))
	}
	type row struct {
		Subject              string
		Since, Seen, Resolve int
	}
	rows := func(list []Occurrence) (rows []row) {
		minute := func(at time.Time) int { return int(at.Sub(noon).Minutes()) }
		for _, x := range list {
			r := row{x.Subject, minute(x.Since), minute(x.LastSeen), -1}
			if x.ResolvedAt != nil {
				r.Resolve = minute(*x.ResolvedAt)
			}
			rows = append(rows, r)
		}
		return rows
	}
	all := must(s.Occurrences(t.Context(), noon, 10))(t)
	want := []row{{"host", 2, 3, -1}, {"web.service", 0, 1, -1}, {"db.service", 0, 0, 1}}
	if d := cmp.Diff(want, rows(all)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got := must(s.Occurrences(t.Context(), noon.Add(2*time.Minute), 10))(t); len(got) != 2 {
		t.Errorf("%d since minute 2, want the 2 that are open", len(got))
	}
	if got := must(s.Occurrences(t.Context(), noon, 1))(t); len(got) != 1 || got[0].Subject != "host" {
		t.Errorf("at most one: %v", rows(got))
	}
	if d := cmp.Diff(down.Evidence, all[1].Evidence); d != "" || all[1].Message != down.Message {
		t.Errorf("came back as %s, %q", all[1].Evidence, all[1].Message)
	}
}

func TestSpans(t *testing.T) {
	doc := document(t, 2)
	other := copied(t, doc)
	other.Units[1].Loaded.ActiveState = "failed"
	slow := copied(t, doc)
	for name, c := range slow.Collectors {
		c.DurationMS += 1000
		slow.Collectors[name] = c
	}
	slow.CollectedAt = noon.Add(time.Hour)
	told := copied(t, doc)
	told.Units[0].History = &facts.History{Breaker: &facts.Breaker{Reason: "another"}}
	minute := func(n int) Audit { return audited(doc, noon.Add(time.Duration(n)*time.Minute)) }
	with := func(a Audit, change func(*Audit)) Audit { change(&a); return a }
	for name, tc := range map[string]struct {
		audits []Audit
		want   []int // audits of each span, oldest first
	}{
		"all the same":           {[]Audit{minute(0), minute(5), minute(10)}, []int{3}},
		"slower":                 {[]Audit{minute(0), with(minute(5), func(a *Audit) { a.Document = slow })}, []int{2}},
		"another memory":         {[]Audit{minute(0), with(minute(5), func(a *Audit) { a.Document = told })}, []int{1, 1}},
		"another document":       {[]Audit{minute(0), with(minute(5), func(a *Audit) { a.Document = other }), minute(10)}, []int{1, 1, 1}},
		"another mode":           {[]Audit{minute(0), with(minute(5), func(a *Audit) { a.Mode = "observe" })}, []int{1, 1}},
		"another exit status":    {[]Audit{minute(0), with(minute(5), func(a *Audit) { a.ExitCode = 3 })}, []int{1, 1}},
		"other policies":         {[]Audit{minute(0), with(minute(5), func(a *Audit) { a.PolicyDigest = "x" })}, []int{1, 1}},
		"a gap":                  {[]Audit{minute(0), with(minute(5), func(a *Audit) { a.Gaps = []string{"podman: no answer"} })}, []int{1, 1}},
		"a finding, then none":   {[]Audit{minute(0), with(minute(5), func(a *Audit) { a.Findings = []finding.Finding{broken("x", "y", "")} }), minute(10), minute(15)}, []int{1, 1, 2}},
		"after a pause":          {[]Audit{minute(0), minute(61)}, []int{1, 1}},
		"the clock a day back":   {[]Audit{minute(0), minute(5), minute(5 - 1440), minute(10 - 1440)}, []int{2, 2}},
		"a day forth, then back": {[]Audit{minute(0), minute(1440), minute(5)}, []int{1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := opened(t)
			for _, a := range tc.audits {
				recorded(t, s, a)
			}
			got := []int{}
			for _, a := range must(s.Audits(t.Context(), time.Time{}, 10))(t) {
				got = append(got, a.Count)
				if a.To.Before(a.From) {
					t.Errorf("from %s to %s", a.From, a.To)
				}
			}
			if slices.Reverse(got); !slices.Equal(got, tc.want) {
				t.Errorf("spans of %v audits, want %v", got, tc.want)
			}
			if m := must(s.Recall(t.Context(), noon))(t); m.Audits != len(tc.audits) {
				t.Errorf("remembers %d audits, want %d", m.Audits, len(tc.audits))
			}
		})
	}
}

func TestDocument(t *testing.T) {
	s, _ := opened(t)
	doc := document(t, 3)
	recorded(t, s, audited(doc, noon))
	last := must(s.LastAudit(t.Context()))(t)
	at := noon.Add(time.Minute)
	got := must(s.Document(t.Context(), last.DocumentDigest, at))(t)
	want := copied(t, doc)
	want.CollectedAt = at
	for name, c := range want.Collectors {
		c.DurationMS = 0
		want.Collectors[name] = c
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if _, err := s.Document(t.Context(), "sha256:none", at); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that is not kept: %v", err)
	}
	if err := s.db.Update(t.Context(), func(tx sqlite.Tx) error { return tx.Do("DELETE FROM parts WHERE id = 2") }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Document(t.Context(), last.DocumentDigest, at); err == nil {
		t.Error("a document that lost a unit reads as if it were whole")
	}
}

// The head of a document is all of it but the units, and is read alone.
func TestDocumentHead(t *testing.T) {
	s, _ := opened(t)
	recorded(t, s, audited(document(t, 3), noon))
	digest := must(s.LastAudit(t.Context()))(t).DocumentDigest
	want := must(s.Document(t.Context(), digest, time.Time{}))(t)
	want.Units = nil
	change := func(query string, args ...any) {
		t.Helper()
		if err := s.db.Update(t.Context(), func(tx sqlite.Tx) error { return tx.Do(query, args...) }); err != nil {
			t.Fatal(err)
		}
	}
	change("DELETE FROM parts WHERE id = 2")
	if d := cmp.Diff(want, must(s.DocumentHead(t.Context(), digest))(t)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if _, err := s.DocumentHead(t.Context(), "sha256:none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that is not kept: %v", err)
	}
	change("UPDATE parts SET content = ? WHERE id = 1", new(press).press([]byte(`{}`)))
	if _, err := s.DocumentHead(t.Context(), digest); !errors.Is(err, errParts) {
		t.Errorf("one that was changed: %v", err)
	}
	change("DELETE FROM parts WHERE id = 1")
	if _, err := s.DocumentHead(t.Context(), digest); err == nil {
		t.Error("one that is gone reads as if it were there")
	}
}

func TestDocumentsShareParts(t *testing.T) {
	s, _ := opened(t)
	doc := document(t, 20)
	recorded(t, s, audited(doc, noon))
	doc.Units[7].Loaded.ActiveState = "failed"
	recorded(t, s, audited(doc, noon.Add(time.Minute)))
	var parts int
	if err := s.db.View(t.Context(), func(tx sqlite.Tx) error { return tx.One("SELECT count(*) FROM parts").Scan(&parts) }); err != nil {
		t.Fatal(err)
	}
	if parts != 22 {
		t.Errorf("%d parts, want 22: a head, 20 units, and the one that changed", parts)
	}
}

func TestRecordRefuses(t *testing.T) {
	s, _ := opened(t)
	if _, err := s.Record(t.Context(), Audit{At: noon}); err == nil {
		t.Error("an audit without a document is recorded")
	}
	bad := broken("x", "y", "")
	bad.Evidence = map[string]any{"call": func() {}}
	if _, err := s.Record(t.Context(), audited(document(t, 1), noon, bad)); err == nil {
		t.Error("evidence that is no JSON is recorded")
	}
	if last := must(s.LastAudit(t.Context()))(t); last != nil {
		t.Errorf("half an audit was recorded: %+v", last)
	}
}

func TestLedger(t *testing.T) {
	file := func(path, digest string) facts.File {
		return facts.File{Path: path, Role: "fragment", Digest: digest, Effective: true, Loaded: true}
	}
	with := func(f facts.File, change func(*facts.File)) facts.File { change(&f); return f }
	load := func(at time.Time, files ...facts.File) *facts.Document {
		return &facts.Document{Manager: &facts.Manager{LoadedAt: at}, Units: []facts.Unit{
			{Name: "web.service", ManagedBy: "config", Loaded: &facts.Loaded{}, Files: files}}}
	}
	later := noon.Add(time.Minute)
	for name, tc := range map[string]struct {
		docs []*facts.Document
		want []facts.LoadedFile // nil: no load of the unit is known
	}{
		"loaded as it is":         {[]*facts.Document{load(noon, file("/a", "1"))}, []facts.LoadedFile{{Path: "/a", Digest: "1"}}},
		"what was known stays":    {[]*facts.Document{load(noon, file("/a", "1")), load(noon, file("/a", "2"))}, []facts.LoadedFile{{Path: "/a", Digest: "1"}}},
		"another path is added":   {[]*facts.Document{load(noon, file("/b", "1")), load(noon, file("/a", "2"))}, []facts.LoadedFile{{Path: "/a", Digest: "2"}, {Path: "/b", Digest: "1"}}},
		"another load forgets":    {[]*facts.Document{load(noon, file("/a", "1")), load(later, file("/b", "2"))}, []facts.LoadedFile{{Path: "/b", Digest: "2"}}},
		"changed after the load":  {[]*facts.Document{load(noon, with(file("/a", "1"), func(f *facts.File) { f.ChangedAfterLoad = true }))}, nil},
		"not loaded":              {[]*facts.Document{load(noon, with(file("/a", "1"), func(f *facts.File) { f.Loaded = false }))}, nil},
		"not effective":           {[]*facts.Document{load(noon, with(file("/a", "1"), func(f *facts.File) { f.Effective = false }))}, nil},
		"a wants link":            {[]*facts.Document{load(noon, with(file("/a", "1"), func(f *facts.File) { f.Role = "wants" }))}, nil},
		"unreadable":              {[]*facts.Document{load(noon, file("/a", ""))}, nil},
		"the manager was a gap":   {[]*facts.Document{load(noon, file("/a", "1")), {Units: []facts.Unit{}}}, []facts.LoadedFile{{Path: "/a", Digest: "1"}}},
		"the unit is gone":        {[]*facts.Document{load(noon, file("/a", "1")), {Manager: &facts.Manager{LoadedAt: noon}, Units: []facts.Unit{}}}, nil},
		"the files were not read": {[]*facts.Document{load(noon, file("/a", "1")), load(noon)}, []facts.LoadedFile{{Path: "/a", Digest: "1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := opened(t)
			for i, doc := range tc.docs {
				recorded(t, s, audited(doc, noon.Add(time.Duration(i)*time.Second)))
			}
			h, known := must(s.Recall(t.Context(), later))(t).Subjects["web.service"]
			if known != (tc.want != nil) {
				t.Fatalf("remembered: %t, want %t", known, tc.want != nil)
			}
			if tc.want != nil {
				if d := cmp.Diff(tc.want, h.Load.Files); d != "" {
					t.Errorf("-want +got\n%s", d)
				}
			}
		})
	}
}

// TestGone: a unit that was managed and no longer exists is remembered for a week, also over
// reloads of the manager, unless it comes back.
func TestGone(t *testing.T) {
	s, _ := opened(t)
	at := func(hours int) time.Time { return noon.Add(time.Duration(hours) * time.Hour) }
	gone := func(when time.Time) map[string]time.Time {
		t.Helper()
		return must(s.Recall(t.Context(), when))(t).Gone
	}
	both, one := document(t, 2), document(t, 1)
	name := both.Units[1].Name
	steps := []struct {
		what   string
		doc    *facts.Document
		loaded int // hours: when the manager was reloaded
		at     int
		want   map[string]time.Time
	}{
		{"both", both, 0, 0, nil},
		{"one is gone, and the manager reloaded", one, 1, 1, map[string]time.Time{name: at(1)}},
		{"still gone, and reloaded again", one, 2, 2, map[string]time.Time{name: at(1)}},
		{"a manager that does not answer", nil, 2, 3, map[string]time.Time{name: at(1)}},
		{"back", both, 2, 4, nil},
		{"gone again", one, 2, 5, map[string]time.Time{name: at(5)}},
		{"gone for a week", one, 2, 5 + 7*24, nil},
	}
	for _, step := range steps {
		doc := &facts.Document{Units: []facts.Unit{}}
		if step.doc != nil {
			doc = copied(t, step.doc)
			doc.Manager.LoadedAt = at(step.loaded)
		}
		recorded(t, s, audited(doc, at(step.at)))
		if d := cmp.Diff(step.want, gone(at(step.at))); d != "" {
			t.Errorf("%s: -want +got\n%s", step.what, d)
		}
	}
}
