package streams_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet/streams"
	"stackpolicy/lab/hub"
)

// broker connects to the broker of a hub.
func broker(t *testing.T) jetstream.JetStream {
	t.Helper()
	conn := hub.New(t).Own()
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// Making the streams again keeps what is in them, and what another version set otherwise becomes
// as this one wants it.
func TestEnsure(t *testing.T) {
	js := broker(t)
	for _, subject := range []string{"evidence.home.web.ada", "watermark.home.web.ada", "work.1", "job.1"} {
		if _, err := js.Publish(t.Context(), subject, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	s, err := js.Stream(t.Context(), streams.Evidence)
	if err != nil {
		t.Fatal(err)
	}
	other := s.CachedInfo().Config
	other.MaxMsgsPerSubject = 3
	if _, err := js.UpdateStream(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := streams.Ensure(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{streams.Evidence, streams.Fleet, streams.Work, streams.Answers} {
		s, err := js.Stream(t.Context(), name)
		if err != nil || s.CachedInfo().State.Msgs != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if n := s.CachedInfo().Config.MaxMsgsPerSubject; name == streams.Evidence && n != streams.PerSource {
			t.Errorf("%d envelopes of a source", n)
		}
	}
}

// A source that sends more than may wait is refused. Others are not, and nothing is lost.
func TestPerSource(t *testing.T) {
	js := broker(t)
	var last jetstream.PubAckFuture
	for range streams.PerSource {
		var err error
		if last, err = js.PublishAsync("evidence.home.web.ada", []byte("x"), jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-last.Ok():
	case err := <-last.Err():
		t.Fatal(err)
	}
	_, err := js.Publish(t.Context(), "evidence.home.web.ada", []byte("x"))
	if refused := (*jetstream.APIError)(nil); !errors.As(err, &refused) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := js.Publish(t.Context(), "evidence.home.db.ada", []byte("x")); err != nil {
		t.Errorf("another source: %v", err)
	}
	s, err := js.Stream(t.Context(), streams.Evidence)
	if err != nil || s.CachedInfo().State.Msgs != streams.PerSource+1 {
		t.Errorf("%v", err)
	}
}
