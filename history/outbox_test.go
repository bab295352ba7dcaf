package history

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/finding"
)

func message(key string, at time.Time) Message {
	return Message{Sink: "mail", Key: key, Kind: "firing", Occurrence: 7, Verdict: "down", Body: []byte("body of " + key), CreatedAt: at, NextTry: at}
}

func dueKeys(t *testing.T, s *Store, now time.Time) []string {
	t.Helper()
	keys := []string{}
	for _, m := range must(s.Due(t.Context(), now, 2000))(t) {
		keys = append(keys, m.Key)
	}
	return keys
}

func TestOutbox(t *testing.T) {
	s, home := opened(t)
	fails := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, now time.Time, keys ...string) {
		t.Helper()
		if d := cmp.Diff(append([]string{}, keys...), dueKeys(t, s, now)); d != "" {
			t.Errorf("%s: -want +got\n%s", what, d)
		}
	}
	fails(s.Enqueue(t.Context(), []Message{message("a", noon), message("b", noon), message("later", noon.Add(time.Hour))}))
	fails(s.Enqueue(t.Context(), []Message{message("a", noon)}))
	want("queued", noon, "a", "b")
	first := must(s.Due(t.Context(), noon, 1))(t)[0]
	expected := message("a", noon)
	expected.ID = first.ID
	if d := cmp.Diff(expected, first); d != "" {
		t.Errorf("came back: -want +got\n%s", d)
	}
	fails(s.Failed(t.Context(), first.ID, noon.Add(time.Minute), "refused"))
	want("put off", noon, "b")
	s.Close()
	s = reopened(t, home)
	want("after a restart", noon.Add(time.Minute), "a", "b")
	if m := must(s.Due(t.Context(), noon.Add(time.Minute), 1))(t)[0]; m.Tries != 1 || m.LastError != "refused" {
		t.Errorf("tried %d times, %q", m.Tries, m.LastError)
	}
	if state := must(s.SinkState(t.Context(), "mail", 7))(t); !state.Sent.IsZero() || !state.Waiting || state.Kind != "firing" || state.Verdict != "down" {
		t.Errorf("state %+v, and nothing was sent", state)
	}
	fails(s.Delivered(t.Context(), first.ID, noon.Add(2*time.Minute)))
	fails(s.Enqueue(t.Context(), []Message{message("a", noon)}))
	want("delivered", noon.Add(2*time.Minute), "b")
	if state := must(s.SinkState(t.Context(), "mail", 7))(t); !state.Sent.Equal(noon.Add(2 * time.Minute)) {
		t.Errorf("state %+v", state)
	}
	if state := must(s.SinkState(t.Context(), "chat", 7))(t); state != (SinkState{}) {
		t.Errorf("the state of another sink is %+v", state)
	}
	want("the clock was set back two days", noon.Add(-2*day), "b", "later")
	if err := s.Enqueue(t.Context(), []Message{{Sink: "mail", Key: "c", Body: make([]byte, maxBody+1)}}); err == nil {
		t.Error("a message that is too large is queued")
	}
}

func TestOutboxIsBounded(t *testing.T) {
	s, _ := opened(t)
	var many []Message
	for i := range maxWaiting + 5 {
		many = append(many, message(fmt.Sprintf("%04d", i), noon))
	}
	other := message("other", noon)
	other.Sink = "chat"
	for range 2 {
		if err := s.Enqueue(t.Context(), append(many, other)); err != nil {
			t.Fatal(err)
		}
	}
	keys := dueKeys(t, s, noon)
	if len(keys) != maxWaiting+1 || keys[0] != "0005" {
		t.Errorf("%d wait, beginning with %s; want %d from 0005 on", len(keys), keys[0], maxWaiting+1)
	}
	if d := cmp.Diff(map[string]int{"mail": 5}, must(s.Dropped(t.Context()))(t)); d != "" {
		t.Errorf("dropped: -want +got\n%s", d)
	}
	if state := must(s.SinkState(t.Context(), "mail", 7))(t); !state.Sent.IsZero() {
		t.Errorf("what was dropped counts as sent: %+v", state)
	}
}

// TestClaim: of two processes that read the same message, one sends it; if that one
// is killed, it is due again.
func TestClaim(t *testing.T) {
	s, _ := opened(t)
	if err := s.Enqueue(t.Context(), []Message{message("a", noon)}); err != nil {
		t.Fatal(err)
	}
	m := must(s.Due(t.Context(), noon, 1))(t)[0]
	lease := noon.Add(time.Minute)
	if !must(s.Claim(t.Context(), m, lease))(t) || must(s.Claim(t.Context(), m, lease))(t) {
		t.Error("it is not exactly one of two that claims it")
	}
	if keys := dueKeys(t, s, noon); len(keys) != 0 {
		t.Errorf("claimed, and due: %v", keys)
	}
	again := must(s.Due(t.Context(), lease, 1))(t)[0]
	if !must(s.Claim(t.Context(), again, lease.Add(time.Minute)))(t) {
		t.Error("its process was killed, and nobody can claim it")
	}
	if err := s.Delivered(t.Context(), m.ID, lease); err != nil {
		t.Fatal(err)
	}
	if must(s.Claim(t.Context(), again, lease))(t) {
		t.Error("delivered, and claimed")
	}
}

// TestContinue: a later finding has what the sink was sent about an earlier one, which is
// then at its end. What waits is sent once, about the later one.
func TestContinue(t *testing.T) {
	for name, isDelivered := range map[string]bool{"delivered": true, "waiting": false} {
		t.Run(name, func(t *testing.T) {
			s, _ := opened(t)
			fails := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			fails(s.Enqueue(t.Context(), []Message{message("a", noon)}))
			if isDelivered {
				fails(s.Delivered(t.Context(), 1, noon))
			}
			before := must(s.SinkState(t.Context(), "mail", 7))(t)
			for range 2 { // also after a kill between the two
				fails(s.Continue(t.Context(), "mail", 7, 8))
			}
			after := must(s.SinkState(t.Context(), "mail", 8))(t)
			after.Message = before.Message
			if after != before {
				t.Errorf("the later one has %+v, want %+v", after, before)
			}
			earlier := must(s.SinkState(t.Context(), "mail", 7))(t)
			if isDelivered && earlier.Kind != Continued || !isDelivered && earlier != (SinkState{}) {
				t.Errorf("the earlier one has %+v", earlier)
			}
			if due := must(s.Due(t.Context(), noon, 10))(t); len(due) != 1 && !isDelivered || len(due) != 0 && isDelivered {
				t.Errorf("%d messages are due", len(due))
			}
		})
	}
}

// TestUnfinished: findings whose last message to some sink is no end, however long ago they
// were resolved.
func TestUnfinished(t *testing.T) {
	s, _ := opened(t)
	doc := document(t, 1)
	id := recorded(t, s, audited(doc, noon, broken("stack_running", finding.Host, "exited"))).Appeared[0].ID
	recorded(t, s, audited(doc, noon.Add(time.Minute)))
	unfinished := func(step string, before time.Time, want int) {
		t.Helper()
		if got := must(s.Unfinished(t.Context(), before, []string{"resolved"}, 10))(t); len(got) != want {
			t.Errorf("%s: %d findings, want %d", step, len(got), want)
		}
	}
	later := noon.Add(day)
	unfinished("nothing was sent", later, 0)
	for i, m := range []Message{message("a", noon), message("b", noon), message("c", noon)} {
		m.Occurrence = id
		if m.Kind = "firing"; i == 2 {
			m.Kind = "resolved"
		}
		if m.Sink = "mail"; i == 1 {
			m.Sink = "chat"
		}
		if err := s.Enqueue(t.Context(), []Message{m}); err != nil {
			t.Fatal(err)
		}
		unfinished("message "+m.Key, later, 1) // chat was not sent the end
	}
	unfinished("resolved since", noon, 0)
	if err := s.Continue(t.Context(), "chat", id, id+1); err != nil {
		t.Fatal(err)
	}
	unfinished("it continues elsewhere", later, 0)
}

// TestLastToldIsTheNewest: also after the clock was set back, or a newer message was
// dropped.
func TestLastToldIsTheNewest(t *testing.T) {
	s, _ := opened(t)
	for i, at := range []time.Time{noon, noon.Add(-day)} {
		if err := s.Enqueue(t.Context(), []Message{message(fmt.Sprint(i), at)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Delivered(t.Context(), int64(i+1), at); err != nil {
			t.Fatal(err)
		}
	}
	want := SinkState{Message: 2, Kind: "firing", Verdict: "down", Sent: noon.Add(-day)}
	if d := cmp.Diff(want, must(s.SinkState(t.Context(), "mail", 7))(t)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
