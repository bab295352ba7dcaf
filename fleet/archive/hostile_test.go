package archive

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/fleet"
	"stackpolicy/history"
)

// liar is a source that signs what it likes.
type liar struct {
	fleet.Source
	key  fleet.Key
	seq  uint64
	prev fleet.Digest
}

func newLiar(t *testing.T, hub *hub, name string) *liar {
	t.Helper()
	key, err := fleet.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{Source: fleet.Source{Org: "home", Host: name, User: "alice"}, key: key}
	hub.enroll(t, fleet.Identity{Source: l.Source, Key: key.Public(), Enrolled: noon})
	return l
}

func (l *liar) seal(t *testing.T, beat fleet.Beat, evidence string) []byte {
	t.Helper()
	l.seq++
	e := fleet.Envelope{Source: l.Source, Seq: l.seq, Prev: l.prev, At: noon, Beat: beat}
	if evidence != "" {
		e.Evidence = json.RawMessage(evidence)
	}
	data, err := l.key.Seal(e)
	if err != nil {
		t.Fatal(err)
	}
	l.prev = fleet.DigestOf(data)
	return data
}

// Whatever a source signs: it is passed over and counted, and what comes after it is added.
func TestForeignEvidence(t *testing.T) {
	hub := newHub(t)
	evil, web := newLiar(t, hub, "evil"), newHost(t, hub, "web")
	for _, evidence := range []string{
		`{"documents": [[[9223372036854775807, 0]]]}`,
		`{"documents": [[[1, 9223372036854775807]]]}`,
		`{"parts": [` + strings.Repeat("1,", 100_000) + `1]}`,
		`{"findings": [{"id": 1, "finding": {"invariant": "i", "subject": "` + strings.Repeat("s", 1<<20) + `"}}]}`,
		`{"spans": 7}`, `7`, `[]`,
	} {
		hub.take(t, noon, evil.Source, evil.seal(t, fleet.Beat{}, evidence))
	}
	hub.take(t, noon, evil.Source, evil.seal(t, fleet.Beat{}, `{"spans": [{"id": 1, "count": 1, "total": 1}]}`))
	web.audit(t, "a", "exited")
	hub.take(t, noon, web.Source, web.seal(t))
	hub.applyAll(t, noon)
	if got := sourceNamed(t, hub, "evil"); got.Applied != 8 || got.Refused != 7 {
		t.Errorf("%+v", got)
	}
	store, err := history.OpenReadOnly(t.Context(), hub.memoryFolder(subjectOf(t, evil.Source), evil.key.Public()))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if last, err := store.LastAudit(t.Context()); err != nil || last == nil || last.Count != 1 {
		t.Errorf("the last audit is %+v, %v", last, err)
	}
	if got := sourceNamed(t, hub, "web"); got.Applied != 1 || got.Open != 1 {
		t.Errorf("the other: %+v", got)
	}
}

// A memory that is gone or damaged follows from the envelopes.
func TestMemoryIsMadeAgain(t *testing.T) {
	for name, spoil := range map[string]func(home string) error{
		"gone":    os.RemoveAll,
		"damaged": func(home string) error { return os.Truncate(history.Path(home), 5000) },
		"other":   func(home string) error { return os.WriteFile(history.Path(home), []byte("no database"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			hub := newHub(t)
			web := newHost(t, hub, "web")
			for i := range 6 {
				web.audit(t, fmt.Sprint(i), []string{"exited"}[:i%2]...)
				hub.take(t, web.at, web.Source, web.seal(t))
				hub.applyAll(t, web.at)
			}
			home := hub.memoryFolder(subjectOf(t, web.Source), web.Key.Public())
			if err := spoil(home); err != nil {
				t.Fatal(err)
			}
			web.audit(t, "last", "exited")
			hub.take(t, web.at, web.Source, web.seal(t))
			hub.applyAll(t, web.at)
			if d := cmp.Diff(remembered(t, web.Store), hub.memory(t, "web")); d != "" {
				t.Errorf("-host +hub\n%s", d)
			}
		})
	}
}

func subjectOf(t *testing.T, s fleet.Source) string {
	t.Helper()
	subject, err := s.Subject()
	if err != nil {
		t.Fatal(err)
	}
	return subject
}

// A finding whose end was in an envelope that is lost does not stay open when the source begins
// anew.
func TestBeginsAnew(t *testing.T) {
	hub := newHub(t)
	web := newLiar(t, hub, "web")
	open := `{"id": %d, "since": 5, "finding": {"invariant": "i", "subject": "s", "severity": "page", "evidence": {"case": "c"}}}`
	hub.take(t, noon, web.Source, web.seal(t, fleet.Beat{}, fmt.Sprintf(`{"began": 1, "findings": [`+open+`, `+open+`]}`, 1, 2)))
	web.seal(t, fleet.Beat{}, `{"began": 1, "forgotten": [1]}`) // it is lost
	hub.take(t, noon, web.Source, web.seal(t, fleet.Beat{}, fmt.Sprintf(`{"began": 1, "reset": true, "findings": [`+open+`]}`, 2)))
	hub.applyAll(t, noon)
	if got := sourceNamed(t, hub, "web"); got.Applied != 3 || got.Open != 1 {
		t.Errorf("%+v", got)
	}
}

// What one source says of itself does not make the page of all sources large.
func TestLongTexts(t *testing.T) {
	hub := newHub(t)
	evil := newLiar(t, hub, "evil")
	long := strings.Repeat("x", 5<<20)
	beat := fleet.Beat{
		Audited: noon, Mode: long, Policy: long, Worst: &fleet.Worst{Invariant: long, Subject: long, Severity: long, Message: long},
		Release: &fleet.Release{Channel: long, Stage: long, Problem: long},
	}
	one := `{"id": %d, "finding": {"invariant": "i", "subject": "s", "message": "` + long[:5000] + `", "severity": "page", "evidence": {"case": "c", "x": "` + long[:50_000] + `"}}}`
	var findings []string
	for i := range 50 {
		findings = append(findings, fmt.Sprintf(one, i+1))
	}
	hub.take(t, noon, evil.Source, evil.seal(t, beat, `{"spans": [{"id": 1, "count": 1, "total": 1}], "findings": [`+strings.Join(findings, ",")+`]}`))
	hub.applyAll(t, noon)
	all, err := hub.Sources(t.Context())
	if err != nil || len(all) != 1 || len(all[0].Findings) != 50 || all[0].Findings[0].Case() != "c" {
		t.Fatalf("%d sources, %v", len(all), err)
	}
	if text, err := json.Marshal(all); err != nil || len(text) > 200_000 {
		t.Errorf("%d bytes of JSON, %v", len(text), err)
	}
}

// A source that floods is stopped, another one is not; after a while it may send again.
func TestFlood(t *testing.T) {
	hub := newHub(t)
	evil, web := newLiar(t, hub, "evil"), newHost(t, hub, "web")
	hub.budgets.daily = 1 << 20
	bomb := evil.seal(t, fleet.Beat{}, `{"parts": ["`+strings.Repeat("x", 10<<20)+`"]}`)
	hub.take(t, noon, evil.Source, bomb, bomb, evil.seal(t, fleet.Beat{}, ""))
	if got := sourceNamed(t, hub, "evil"); got.Newest != 1 || got.Refused != 1 {
		t.Errorf("%+v", got)
	}
	web.audit(t, "a")
	hub.take(t, noon, web.Source, web.seal(t))
	if got := sourceNamed(t, hub, "web"); got.Newest != 1 || got.Refused != 0 {
		t.Errorf("the other: %+v", got)
	}
	hub.take(t, noon.Add(12*time.Hour), evil.Source, evil.seal(t, fleet.Beat{}, ""))
	if got := sourceNamed(t, hub, "evil"); got.Newest != 3 || len(got.Missing) != 1 || got.Refused != 1 {
		t.Errorf("later: %+v", got)
	}
	hub.take(t, noon, evil.Source, slices.Repeat([][]byte{[]byte("rubbish")}, 300)...)
	if got := hub.budgets.of[subjectOf(t, evil.Source)]; got.left > 0 {
		t.Errorf("rubbish costs nothing: %+v", got)
	}
}

// A batch of envelopes of which each has a few kilobytes and 60 megabytes of evidence does not fill
// the memory.
func TestEvidenceIsNotHeld(t *testing.T) {
	hub := newHub(t)
	evil := newLiar(t, hub, "evil")
	data := evil.seal(t, fleet.Beat{}, `{"reset": true, "parts": ["`+strings.Repeat("x", 60<<20)+`"]}`)
	o, err := hub.Archive.open(t.Context(), evil.Source, Received{Subject: subjectOf(t, evil.Source), Data: data, At: noon})
	if err != nil || o.refused != "" || !o.resets || o.letter.Seq != 1 {
		t.Fatalf("%v, refused %q", err, o.refused)
	}
	if n := len(o.letter.Evidence); n != 0 {
		t.Errorf("%d bytes are held of a message of %d", n, len(data))
	}
}

// A name of a source may be longer than one of a file.
func TestLongName(t *testing.T) {
	hub := newHub(t)
	long := newLiar(t, hub, strings.Repeat("ä", 32))
	long.Source.User = strings.Repeat("ö", 32)
	hub.enroll(t, fleet.Identity{Source: long.Source, Key: long.key.Public(), Enrolled: noon})
	hub.take(t, noon, long.Source, long.seal(t, fleet.Beat{}, `{"spans": [{"id": 1, "count": 1, "total": 1}]}`))
	hub.applyAll(t, noon)
	other := long.Source
	other.User = strings.Repeat("ö", 31) + "oo"
	a, b := hub.memoryFolder(subjectOf(t, long.Source), long.key.Public()), hub.memoryFolder(subjectOf(t, other), long.key.Public())
	if a == b || len(filepath.Base(a)) > 255 {
		t.Errorf("%s and %s", a, b)
	}
}
