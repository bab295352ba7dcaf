package alerts

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/notify"
)

func route(f *fake, severity string) notify.Route {
	return notify.Route{Sink: f, Selection: notify.Selection{Severity: severity, Repeat: 4 * time.Hour}}
}

func TestOnlyChangesAreSent(t *testing.T) {
	tickets, pages := &fake{name: "tickets"}, &fake{name: "pages"}
	h := newHouse(t, route(tickets, "ticket"), route(pages, "page"))
	step := func(name string, found []finding.Finding, toTickets, toPages []string) {
		t.Helper()
		if n := h.audit(found...); n != nil {
			t.Errorf("%s: %v", name, n)
		}
		tickets.wasSent(t, name, toTickets...)
		pages.wasSent(t, name, toPages...)
	}
	ticket, page := []finding.Finding{down("ticket")}, []finding.Finding{down("page")}
	step("it appears", ticket, []string{"firing stack_running web.service ticket"}, nil)
	step("it is still open", ticket, nil, nil)
	step("it gets worse", page, []string{"changed stack_running web.service page"}, []string{"firing stack_running web.service page"})
	step("it gets better", ticket, []string{"changed stack_running web.service ticket"}, []string{"resolved stack_running web.service ticket"})
	step("it gets worse again", page, []string{"changed stack_running web.service page"}, []string{"changed stack_running web.service page"})
	step("it is gone", nil, nil, nil)
	step("it stays gone", nil, []string{"resolved stack_running web.service page"}, []string{"resolved stack_running web.service page"})
	step("nothing", nil, nil, nil)
	step("it comes back", ticket, []string{"firing stack_running web.service ticket"}, nil)
}

// TestFlappingIsOneIncident: a finding that is gone in every other audit is sent once, and
// repeated; one that changes meanwhile is sent as changed. It is resolved when two
// audits in a row found it gone.
func TestFlappingIsOneIncident(t *testing.T) {
	sink, broken := &fake{name: "sink"}, &fake{name: "broken", err: errSilent}
	h := newHouse(t, route(sink, "ticket"), route(broken, "ticket"))
	for range 11 { // less than four hours
		h.audit(down("page"))
		h.audit()
	}
	sink.wasSent(t, "flapping", "firing stack_running web.service page")
	h.audit(down("page"))
	h.audit()
	h.audit(down("page"))
	sink.wasSent(t, "after four hours", "repeat stack_running web.service page")
	h.audit()
	h.audit(down("ticket"))
	sink.wasSent(t, "it is back, less bad", "changed stack_running web.service ticket")
	h.now = h.now.Add(-9 * time.Minute) // audits that a change started
	h.audit()
	h.now = h.now.Add(-9 * time.Minute)
	h.audit()
	sink.wasSent(t, "gone for a minute")
	h.audit()
	sink.wasSent(t, "gone for eleven minutes", "resolved stack_running web.service ticket")
	broken.err = nil
	h.now = h.now.Add(2 * time.Hour)
	h.audit()
	broken.wasSent(t, "up again", "firing stack_running web.service page",
		"changed stack_running web.service ticket", "resolved stack_running web.service ticket")
	h.audit(down("page"))
	sink.wasSent(t, "a new one", "firing stack_running web.service page")
}

// TestTheEndIsSentLater: a finding was gone once, and then there was no audit, or none that
// could decide, for longer than [Memory]. Its end is sent all the same, and only once.
func TestTheEndIsSentLater(t *testing.T) {
	undecided := down("unknown")
	undecided.Evidence = map[string]any{"case": finding.CaseGap}
	for name, between := range map[string]func(*house){
		"no audit":  func(h *house) { h.now = h.now.Add(3 * Memory) },
		"undecided": func(h *house) { h.audit(undecided); h.now = h.now.Add(3 * Memory); h.audit(undecided) },
	} {
		t.Run(name, func(t *testing.T) {
			sink := &fake{name: "sink"}
			h := newHouse(t, route(sink, "page"))
			h.audit(down("page"))
			h.audit()
			h.audit(down("page"))
			h.audit()
			sink.wasSent(t, "gone once", "firing stack_running web.service page")
			between(h)
			sink.wasSent(t, "meanwhile")
			h.audit()
			sink.wasSent(t, "it is still gone", "resolved stack_running web.service page")
			h.now = h.now.Add(3 * Memory)
			h.audit()
			sink.wasSent(t, "later")
		})
	}
}

// TestOneGapIsOneAlert: a collector that failed leaves many invariants undecided,
// and one alert says so.
func TestOneGapIsOneAlert(t *testing.T) {
	sink := &fake{name: "sink"}
	h := newHouse(t, route(sink, "ticket"))
	undecided := func(invariant, collector string) finding.Finding {
		return finding.Finding{
			Invariant: invariant, Subject: finding.Host, Effect: finding.Block, Severity: finding.Unknown, Message: "cannot be verified",
			Evidence: map[string]any{"case": finding.CaseGap, "collector": collector},
		}
	}
	h.audit(undecided("a", "systemd"), undecided("b", "systemd"), undecided("c", "podman"))
	sink.wasSent(t, "the manager is gone", "firing a host unknown", "firing c host unknown")
	h.audit(undecided("a", "systemd"), undecided("b", "systemd"), undecided("c", "podman"))
	sink.wasSent(t, "it stays so")
	h.audit(undecided("b", "systemd"))
	sink.wasSent(t, "what was sent is decided, the other is not", "firing b host unknown")
	h.audit()
	sink.wasSent(t, "it is back", "resolved a host unknown", "resolved c host unknown")
	h.audit()
	sink.wasSent(t, "it stays so", "resolved b host unknown")
}

// keeper keeps the alerts that it is sent.
type keeper struct{ alerts []notify.Alert }

func (*keeper) Name() string { return "keeper" }

func (k *keeper) Send(_ context.Context, a notify.Alert) error {
	k.alerts = append(k.alerts, a)
	return nil
}

// An incident that began before the host was renamed ends under the same name.
func TestAHostThatIsRenamed(t *testing.T) {
	sink := &keeper{}
	h := newHouse(t, notify.Route{Sink: sink, Selection: notify.Selection{Severity: "ticket", Repeat: 10 * time.Minute}})
	h.audit(down("page"))
	h.host = "lair"
	h.audit(down("page"))
	h.audit(down("ticket"))
	other := down("page")
	other.Subject = "db.service"
	h.audit(other)
	h.audit(other)
	got := []string{}
	for _, a := range sink.alerts {
		got = append(got, strings.Join([]string{a.Kind, a.Subject, a.Host}, " "))
		if a.Subject == "web.service" && a.Fingerprint != sink.alerts[0].Fingerprint || !strings.Contains(a.Title, a.Host) {
			t.Errorf("%s is of another incident: %+v", got[len(got)-1], a)
		}
	}
	want := []string{"firing web.service den", "repeat web.service den", "changed web.service den", "firing db.service lair", "resolved web.service den", "repeat db.service lair"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestOpenFindingsAreRepeated(t *testing.T) {
	sink := &fake{name: "sink"}
	h := newHouse(t, route(sink, "ticket"))
	for hour := range 10 {
		for range 6 {
			h.audit(down("page"))
		}
		var want []string
		switch hour {
		case 0:
			want = []string{"firing stack_running web.service page"}
		case 4, 8:
			want = []string{"repeat stack_running web.service page"}
		}
		sink.wasSent(t, "hour "+string(rune('0'+hour)), want...)
	}
	h.now = noon.Add(-24 * time.Hour)
	h.audit(down("page"))
	sink.wasSent(t, "after the clock was set back", "repeat stack_running web.service page")
	for range 12 {
		h.audit(down("page"))
	}
	sink.wasSent(t, "while it is before the time of an older message")
}

func TestWaivedFindingsAreNotSent(t *testing.T) {
	sink := &fake{name: "sink"}
	h := newHouse(t, route(sink, "ticket"))
	h.audit(down("page"))
	sink.wasSent(t, "it appears", "firing stack_running web.service page")
	waived := down("page")
	until := noon.Add(24 * time.Hour)
	waived.Waiver = &finding.Waiver{Reason: "known", Until: until}
	h.audit(waived)
	sink.wasSent(t, "it is waived", "resolved stack_running web.service page")
	h.now = h.now.Add(5 * time.Hour)
	h.audit(waived)
	sink.wasSent(t, "still waived")
	h.audit(down("page"))
	sink.wasSent(t, "no longer waived", "changed stack_running web.service page")
	waived.Waiver.Until = h.now.Add(time.Hour)
	h.audit(waived)
	sink.wasSent(t, "waived again", "resolved stack_running web.service page")
	h.audit()
	h.now = h.now.Add(2 * time.Hour)
	h.audit()
	sink.wasSent(t, "mended while it was waived, and the waiver ended")
}

func TestHeals(t *testing.T) {
	journal, other, pages := &fake{name: "journal"}, &fake{name: "other"}, &fake{name: "pages"}
	heals := route(journal, "ticket")
	heals.Heals = true
	h := newHouse(t, heals, route(other, "ticket"), route(pages, "page"))
	h.healing([]finding.Finding{toHeal(finding.Healed)})
	journal.wasSent(t, "healed at once", "healed loaded_is_current web.service ticket")
	other.wasSent(t, "healed at once")
	pages.wasSent(t, "healed at once")
	h.audit(toHeal(finding.HealFailed))
	journal.wasSent(t, "a heal failed", "firing loaded_is_current web.service page")
	other.wasSent(t, "a heal failed", "firing loaded_is_current web.service page")
	pages.wasSent(t, "a heal failed", "firing loaded_is_current web.service page")
	h.healing([]finding.Finding{toHeal(finding.Healed)})
	journal.wasSent(t, "healed in the end", "healed loaded_is_current web.service ticket")
	other.wasSent(t, "healed in the end", "healed loaded_is_current web.service ticket")
	pages.wasSent(t, "healed in the end", "healed loaded_is_current web.service ticket")
}

// TestASinkThatIsDown: when it is up again it is sent everything, in order. The
// other sink does not wait for it.
func TestASinkThatIsDown(t *testing.T) {
	broken, fine := &fake{name: "broken", err: errSilent}, &fake{name: "fine"}
	h := newHouse(t, route(broken, "ticket"), route(fine, "ticket"))
	notices := h.audit(down("page"))
	if len(notices) != 1 || notices[0].String() != "alerts to broken: connection refused; 1 wait" {
		t.Errorf("notices: got %v", notices)
	}
	fine.wasSent(t, "down", "firing stack_running web.service page")
	h.audit(down("ticket"))
	h.audit()
	h.audit()
	broken.wasSent(t, "down")
	if n, err := Waiting(t.Context(), h.store, h.now, time.Time{}); err != nil || n["broken"] != 3 || n["fine"] != 0 {
		t.Errorf("waiting: got %v, %v", n, err)
	}
	broken.err = nil
	h.now = h.now.Add(time.Hour)
	if n := h.audit(); n != nil {
		t.Errorf("up again: %v", n)
	}
	broken.wasSent(t, "up again", "firing stack_running web.service page",
		"changed stack_running web.service ticket", "resolved stack_running web.service ticket")
}

// TestOrderIsKept: a message that waits for its next try holds back later messages
// about the same finding, and about no other.
func TestOrderIsKept(t *testing.T) {
	sink := &fake{name: "sink", err: errSilent}
	h := newHouse(t, route(sink, "ticket"))
	h.audit(down("page"))
	sink.err = nil
	h.now = h.now.Add(-10 * time.Minute) // the next audit is at the same time: before the next try
	h.audit(down("ticket"), toHeal(finding.Planned))
	sink.wasSent(t, "too early", "firing loaded_is_current web.service ticket")
	h.audit(down("ticket"), toHeal(finding.Planned))
	sink.wasSent(t, "in time", "firing stack_running web.service page", "changed stack_running web.service ticket")
}

// TestAKillBeforeTheOutbox: an audit was recorded and its alerts were not; the
// next audit sends them.
func TestAKillBeforeTheOutbox(t *testing.T) {
	sink := &fake{name: "sink"}
	h := newHouse(t, route(sink, "ticket"))
	h.record(nil, down("page"))
	h.audit(down("page"))
	sink.wasSent(t, "the next audit", "firing stack_running web.service page")
	h.record(nil, down("ticket"))
	h.audit(down("ticket"))
	sink.wasSent(t, "after a change", "changed stack_running web.service ticket")
	h.record(nil, down("page"))
	h.audit(down("ticket"))
	sink.wasSent(t, "changed and changed back")
	h.audit(down("page"))
	sink.wasSent(t, "worse", "changed stack_running web.service page")
	h.record(nil)
	h.audit()
	sink.wasSent(t, "and the one after", "resolved stack_running web.service page")
}

// TestTwoAuditsAtOnce: an audit that runs while another one sends its alerts does not send
// them again.
func TestTwoAuditsAtOnce(t *testing.T) {
	sink := &fake{name: "sink"}
	h := newHouse(t, route(sink, "ticket"))
	sink.during = func() { h.run() }
	h.audit(down("page"))
	sink.wasSent(t, "it appears", "firing stack_running web.service page")
	h.audit(down("ticket"), toHeal(finding.Planned))
	slices.Sort(sink.sent) // only those of one finding keep their order
	sink.wasSent(t, "it changes", "changed stack_running web.service ticket", "firing loaded_is_current web.service ticket")
	h.now = h.now.Add(5 * time.Hour)
	h.audit(down("ticket"))
	sink.wasSent(t, "later", "repeat stack_running web.service ticket")
	h.audit(down("ticket"))
	sink.wasSent(t, "later still", "resolved loaded_is_current web.service ticket")
}

func TestANewSinkIsSentOpenFindings(t *testing.T) {
	first, second := &fake{name: "first"}, &fake{name: "second"}
	h := newHouse(t, route(first, "ticket"))
	h.audit(down("page"))
	h.routes = append(h.routes, route(second, "ticket"))
	h.audit(down("page"))
	second.wasSent(t, "new", "firing stack_running web.service page")
}

func TestASinkThatIsNoLongerConfigured(t *testing.T) {
	gone := &fake{name: "gone", err: errSilent}
	h := newHouse(t, route(gone, "ticket"))
	h.audit(down("page"))
	h.routes = nil
	notices := h.audit(down("page"))
	if len(notices) != 1 || notices[0].String() != "alerts to gone: the configuration no longer names it; dropped 1 that waited" {
		t.Errorf("notices: got %v", notices)
	}
	if notices := h.audit(down("page")); notices != nil {
		t.Errorf("again: %v", notices)
	}
}

// TestASinkThatHangs: it uses up its own limit, and no other sink waits for it.
func TestASinkThatHangs(t *testing.T) {
	hangs, fine := &fake{name: "hangs", hang: true}, &fake{name: "fine"}
	h := newHouse(t, route(hangs, "ticket"), route(fine, "ticket"))
	start := time.Now()
	notices := h.audit(down("page"), toHeal(finding.Planned))
	if took := time.Since(start); took > total {
		t.Errorf("it took %v", took)
	}
	fine.wasSent(t, "beside", "firing stack_running web.service page", "firing loaded_is_current web.service ticket")
	if len(notices) != 1 || !strings.HasPrefix(notices[0].String(), "alerts to hangs: context deadline exceeded; 2 wait") {
		t.Errorf("notices: got %v", notices)
	}
}

func TestAHistoryThatCannotBeRead(t *testing.T) {
	h := newHouse(t, route(&fake{name: "sink"}, "ticket"))
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	notices := Run(t.Context(), Options{Outbox: h.store, Routes: h.routes, Now: noon})
	if len(notices) != 1 || !strings.HasPrefix(notices[0].String(), "alerts: read which alerts wait: ") {
		t.Errorf("notices: got %v", notices)
	}
}

// forgetful is an outbox that keeps nothing new.
type forgetful struct{ Outbox }

var errFull = errors.New("database or disk is full")

func (forgetful) Enqueue(context.Context, []history.Message) error       { return errFull }
func (forgetful) Delivered(context.Context, int64, time.Time) error      { return errFull }
func (forgetful) Failed(context.Context, int64, time.Time, string) error { return errFull }

// TestAHistoryThatIsFull: messages that already waited are still sent.
func TestAHistoryThatIsFull(t *testing.T) {
	cases := map[string]struct {
		sink error
		sent []string
		want string
	}{
		"the sink is up":   {nil, []string{"firing stack_running web.service page"}, "alerts to sink: sent, but that could not be recorded, so it will be sent again: " + errFull.Error() + "; 1 wait"},
		"the sink is down": {errSilent, nil, "alerts to sink: connection refused; and that could not be recorded: " + errFull.Error() + "; 1 wait"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			sink := &fake{name: "sink", err: errSilent}
			h := newHouse(t, route(sink, "ticket"))
			h.audit(down("page"))
			sink.err = c.sink
			h.record(nil, down("page"), toHeal(finding.Planned))
			occurrences, err := h.store.Occurrences(t.Context(), h.now, 10)
			if err != nil {
				t.Fatal(err)
			}
			got := Run(t.Context(), Options{Outbox: forgetful{h.store}, Routes: h.routes, Occurrences: occurrences, Now: h.now})
			want := []Notice{{Text: "keep 1 alerts to be sent: " + errFull.Error()}}
			if len(got) != 2 || got[0] != want[0] || got[1].String() != c.want {
				t.Errorf("got %q", got)
			}
			sink.wasSent(t, name, c.sent...)
		})
	}
}

// TestWithoutMemory: every audit sends all open findings to the sinks that want them.
func TestWithoutMemory(t *testing.T) {
	tickets, pages, broken := &fake{name: "tickets"}, &fake{name: "pages"}, &fake{name: "broken", err: errSilent}
	h := newHouse(t, route(tickets, "ticket"), route(pages, "page"), route(broken, "page"))
	waived := toHeal(finding.Planned)
	waived.Waiver = &finding.Waiver{Until: noon.Add(time.Hour)}
	found := []finding.Finding{down("page"), toHeal(finding.Planned), waived, toHeal(finding.Healed), {Invariant: "links_resolve", Effect: finding.Allow}}
	for _, id := range []string{"stack_running", "images_current"} { // one cause
		found = append(found, finding.Finding{
			Invariant: id, Subject: finding.Host, Effect: finding.Block, Severity: finding.Unknown,
			Evidence: map[string]any{"case": finding.CaseGap, "collector": "podman"},
		})
	}
	for range 2 {
		notices := RunWithoutMemory(t.Context(), Options{Routes: h.routes, Now: noon}, found)
		if len(notices) != 1 || notices[0].String() != "alerts to broken: connection refused; 1 not sent" {
			t.Errorf("notices: got %v", notices)
		}
		tickets.wasSent(t, "an audit", "firing stack_running web.service page", "firing loaded_is_current web.service ticket", "firing stack_running host unknown")
		pages.wasSent(t, "an audit", "firing stack_running web.service page")
	}
}

func TestRetry(t *testing.T) {
	for tries, want := range map[int]time.Duration{-1: time.Minute, 0: time.Minute, 1: 2 * time.Minute, 5: 32 * time.Minute, 6: time.Hour, 1 << 40: time.Hour} {
		if got := retry(tries); got != want {
			t.Errorf("after %d tries: got %v, want %v", tries, got, want)
		}
	}
}

func TestLastSuccess(t *testing.T) {
	h := newHouse(t)
	if got, err := LastSuccess(t.Context(), h.store, h.now); err != nil || !got.IsZero() {
		t.Errorf("without an audit: got %v, %v", got, err)
	}
	h.audit(down("page"))
	want := h.now
	h.exit = finding.LevelUnknown.ExitCode()
	h.audit(down("page"))
	if got, err := LastSuccess(t.Context(), h.store, h.now); err != nil || !got.Equal(want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}
