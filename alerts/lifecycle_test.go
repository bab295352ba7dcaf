package alerts

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/notify"
)

// The life cycle of an incident, for one sink. Between two audits it is in one of four phases:
//
//	quiet      nothing was sent, or that it is over
//	firing     it was sent, and is open
//	gone       it was sent, and the finding is gone, which was not sent yet
//	withdrawn  it is open, and was sent as resolved because it is waived
//
// What an audit sees moves it on, and sends at most one message:
//
//	phase      open, wanted           open, waived         gone               healed
//	quiet      firing → firing        –                    –                  –
//	firing     changed or repeat¹     resolved → withdrawn – → gone           healed → quiet
//	gone       changed or repeat¹     resolved → withdrawn resolved² → quiet  healed → quiet
//	           → firing
//	withdrawn  changed → firing       –                    – → quiet          – → quiet
//
// ¹ changed if the verdict is another one than was sent, repeat if the last message is four
// hours old, or else nothing. ² when it is gone for nine minutes or the clock was set back, and the audit could decide.
// An audit that cannot decide sees what the last one saw. An audit that is killed before it
// uses the outbox sends nothing, and the next one sends what there is to send then.
type lifecycle struct {
	phase   string
	verdict string    // as last sent
	sent    time.Time // the last message
	open    bool      // the finding, as the last audit that could decide saw it
	waived  bool
	now     string // the verdict of the open finding
	goneAt  time.Time
	healed  bool
	decided bool
}

const (
	quiet     = "quiet"
	firing    = "firing"
	gone      = "gone"
	withdrawn = "withdrawn"
)

// sees moves the finding on.
func (l lifecycle) sees(event string, at time.Time) lifecycle {
	l.decided = event != "undecided"
	switch event {
	case "page", "ticket", "waived":
		l.open, l.waived, l.now = true, event == "waived", event
	case "gone":
		if l.open {
			l.open, l.goneAt, l.healed = false, at, false
		}
	case "healed":
		l.open, l.goneAt, l.healed = false, at, true
	}
	if !l.open && l.phase == withdrawn {
		l.phase = quiet
	}
	return l
}

// sends moves the incident on, and returns the kind of the message; "" for none.
func (l lifecycle) sends(at time.Time) (lifecycle, string) {
	isSent := l.phase == firing || l.phase == gone
	switch {
	case l.open && l.waived && isSent:
		l.phase, l.verdict = withdrawn, l.now
		return l, notify.KindResolved
	case l.open && l.waived:
		return l, ""
	case l.open && l.phase == quiet:
		l.phase, l.verdict, l.sent = firing, l.now, at
		return l, notify.KindFiring
	case l.open && l.now != l.verdict:
		l.phase, l.verdict, l.sent = firing, l.now, at
		return l, notify.KindChanged
	case l.open && at.Sub(l.sent) >= 4*time.Hour:
		l.phase, l.sent = firing, at
		return l, notify.KindRepeat
	case l.open:
		l.phase = firing
	case isSent && l.healed:
		l.phase = quiet
		return l, notify.KindHealed
	case isSent && l.decided && (at.Sub(l.goneAt) >= Hold || at.Before(l.goneAt)):
		l.phase = quiet
		return l, notify.KindResolved
	case isSent:
		l.phase = gone
	}
	return l, ""
}

// lifecycleEvents are what an audit may see. One that begins with "killed" ends before the
// outbox is used.
var lifecycleEvents = []string{"page", "ticket", "waived", "gone", "healed", "undecided", "killed page", "killed gone"}

// seen returns the findings of an audit that sees the event.
func seen(event string, at time.Time) (found, healed []finding.Finding) {
	switch event {
	case "page", "ticket":
		return []finding.Finding{down(finding.Severity(event))}, nil
	case "waived":
		f := down("page")
		f.Waiver = &finding.Waiver{Reason: "known", Until: at.Truncate(24 * time.Hour).Add(1000 * time.Hour)}
		return []finding.Finding{f}, nil
	case "healed":
		f := down("page")
		f.Effect, f.Outcome = finding.Heal, finding.Healed
		return nil, []finding.Finding{f}
	case "undecided":
		f := down("unknown")
		f.Evidence = map[string]any{"case": finding.CaseGap}
		return []finding.Finding{f}, nil
	}
	return nil, nil
}

// about keeps the messages about the finding itself, not about gaps.
type about struct{ kinds []string }

func (*about) Name() string { return "sink" }

func (a *about) Send(_ context.Context, m notify.Alert) error {
	if m.Severity != string(finding.Unknown) {
		a.kinds = append(a.kinds, m.Kind)
	}
	return nil
}

// memory is an outbox and a list of occurrences, in a form that is cheap to copy.
type memory struct {
	occurrences []history.Occurrence
	messages    []history.Message
	delivered   []time.Time // zero while it waits
}

func (m *memory) clone() *memory {
	return &memory{slices.Clone(m.occurrences), slices.Clone(m.messages), slices.Clone(m.delivered)}
}

// record does for one finding and one gap what the history does.
func (m *memory) record(event string, at time.Time) {
	found, healed := seen(event, at)
	undecided := event == "undecided"
	for _, f := range append(found, healed...) {
		i := slices.IndexFunc(m.occurrences, func(s history.Occurrence) bool { return s.ResolvedAt == nil && s.IsUnknown() == f.IsUnknown() })
		if i < 0 {
			i = len(m.occurrences)
			m.occurrences = append(m.occurrences, history.Occurrence{ID: int64(i + 1), Since: at})
		}
		m.occurrences[i].Finding, m.occurrences[i].LastSeen = f, at
	}
	for i, s := range m.occurrences {
		if s.ResolvedAt == nil && !s.LastSeen.Equal(at) && !(undecided && !s.IsUnknown()) || s.ResolvedAt == nil && s.Outcome == finding.Healed {
			m.occurrences[i].ResolvedAt = &at
		}
	}
}

func (m *memory) Enqueue(_ context.Context, messages []history.Message) error {
	for _, n := range messages {
		if slices.ContainsFunc(m.messages, func(o history.Message) bool { return o.Key == n.Key }) {
			continue
		}
		n.ID = int64(len(m.messages) + 1)
		m.messages, m.delivered = append(m.messages, n), append(m.delivered, time.Time{})
	}
	return nil
}

func (m *memory) Due(context.Context, time.Time, int) (due []history.Message, err error) {
	for i, n := range m.messages {
		if m.delivered[i].IsZero() {
			due = append(due, n)
		}
	}
	return due, nil
}

func (m *memory) SinkState(_ context.Context, _ string, occurrence int64) (t history.SinkState, err error) {
	for i, n := range m.messages {
		if n.Occurrence == occurrence {
			t = history.SinkState{Message: n.ID, Kind: n.Kind, Verdict: n.Verdict, Sent: m.delivered[i]}
		}
	}
	return t, nil
}

func (m *memory) Continue(_ context.Context, _ string, from, to int64) error {
	for i, n := range slices.Backward(m.messages) {
		if n.Occurrence == from {
			n.ID, n.Occurrence, n.Key = int64(len(m.messages)+1), to, fmt.Sprint(to, " continues")
			end := history.Message{ID: n.ID + 1, Occurrence: from, Key: fmt.Sprint(from, " continued"), Kind: history.Continued}
			m.messages, m.delivered = append(m.messages, n, end), append(m.delivered, m.delivered[i], m.delivered[i])
			return nil
		}
	}
	return nil
}

func (*memory) Unfinished(context.Context, time.Time, []string, int) ([]history.Occurrence, error) {
	return nil, nil // no sequence lasts as long as Memory
}

func (*memory) Claim(context.Context, history.Message, time.Time) (bool, error) { return true, nil }
func (*memory) Failed(context.Context, int64, time.Time, string) error          { return nil }
func (m *memory) Delivered(_ context.Context, id int64, at time.Time) error {
	m.delivered[id-1] = at
	return nil
}

// TestLifecycle compares what is sent with the life cycle, over all sequences of up to five
// audits; with STACKPOLICY_LAB_EACH=1 of six, which takes ten seconds.
func TestLifecycle(t *testing.T) {
	depth := 5
	if os.Getenv("STACKPOLICY_LAB_EACH") == "1" {
		depth = 6
	}
	var walk func(m *memory, l lifecycle, at time.Time, path []string)
	walk = func(m *memory, l lifecycle, at time.Time, path []string) {
		for _, event := range lifecycleEvents {
			m, path := m.clone(), append(slices.Clone(path), event)
			see, killed := strings.CutPrefix(event, "killed ")
			m.record(see, at)
			l := l.sees(see, at)
			sink, want := &about{}, ""
			if !killed {
				if l, want = l.sends(at); len(m.occurrences) > 0 {
					o := Options{Outbox: m, Routes: []notify.Route{{Sink: sink, Selection: notify.Selection{Severity: "ticket", Repeat: 4 * time.Hour}}}, Occurrences: m.occurrences, Now: at}
					if n := Run(t.Context(), o); n != nil {
						t.Fatal(path, n)
					}
				}
			}
			if got := strings.Join(sink.kinds, " "); got != want {
				t.Fatalf("%s: sent %q, want %q", strings.Join(path, ", "), got, want)
			}
			if len(path) < depth {
				walk(m, l, at.Add(10*time.Minute), path)
			}
		}
	}
	walk(&memory{}, lifecycle{phase: quiet}, noon, nil)
}

// TestLifecycleOfTheHistory is the same with a real history, over random sequences of 200
// audits, minutes to hours apart, with two audits at once and with clocks that go back.
func TestLifecycleOfTheHistory(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			sink, l := &about{}, lifecycle{phase: quiet}
			h := newHouse(t, notify.Route{Sink: sink, Selection: notify.Selection{Severity: "ticket", Repeat: 4 * time.Hour}})
			var path []string
			for range 200 {
				event := lifecycleEvents[random.IntN(len(lifecycleEvents))]
				path = append(path, event)
				h.now = h.now.Add(time.Duration(random.IntN(60)-9) * time.Minute)
				see, killed := strings.CutPrefix(event, "killed ")
				found, healed := seen(see, noon)
				h.record(healed, found...)
				l = l.sees(see, h.now)
				want := ""
				if !killed {
					l, want = l.sends(h.now)
					for range 1 + random.IntN(2) {
						if n := h.run(); n != nil {
							t.Fatal(n)
						}
					}
				}
				if got := strings.Join(sink.kinds, " "); got != want {
					t.Fatalf("%s: sent %q, want %q", strings.Join(path, ", "), got, want)
				}
				sink.kinds = nil
			}
		})
	}
}
