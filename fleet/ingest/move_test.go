package ingest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// message is one with a number in the stream and one in what the reader was given.
type message struct {
	jetstream.Msg
	stream, given uint64
	size          int
}

func (m message) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{Sequence: jetstream.SequencePair{Stream: m.stream, Consumer: m.given}}, nil
}
func (m message) Subject() string { return "evidence.home.web.alice" }
func (m message) Data() []byte    { return make([]byte, m.size) }

// reader gives messages, and then none.
type reader struct {
	jetstream.MessagesContext
	list []message
}

func (r *reader) Next(...jetstream.NextOpt) (jetstream.Msg, error) {
	if len(r.list) == 0 {
		return nil, nats.ErrTimeout
	}
	m := r.list[0]
	r.list = r.list[1:]
	return m, nil
}

func messages(from, n uint64, size int) (list []message) {
	for i := range n {
		list = append(list, message{stream: 100 + from + i, given: from + i, size: size})
	}
	return list
}

// A batch ends where the archive purges the stream. If the connection lost a message there is no
// batch, because purging would delete what is in no archive.
func TestFetch(t *testing.T) {
	for name, c := range map[string]struct {
		list  []message
		count int
		last  uint64
		err   error
	}{
		"some":                {messages(1, 3, 10), 3, 103, nil},
		"purged in between":   {[]message{{stream: 7, given: 1}, {stream: 19, given: 2}}, 2, 19, nil},
		"one was lost":        {[]message{{stream: 7, given: 1}, {stream: 9, given: 3}}, 1, 7, errSkipped},
		"the first was lost":  {[]message{{stream: 8, given: 2}}, 0, 0, errSkipped},
		"none":                {nil, 0, 0, nats.ErrTimeout},
		"more than one batch": {messages(1, batch+5, 0), batch, 100 + batch, nil},
		"many bytes":          {messages(1, 40, 1<<20), batchBytes >> 20, 100 + batchBytes>>20, nil},
	} {
		b := batched{messages: &reader{list: c.list}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := b.fetch(ctx)
		cancel()
		if !errors.Is(err, c.err) || len(b.list) != c.count || b.last != c.last {
			t.Errorf("%s: %d messages up to %d, %v; want %d up to %d, %v", name, len(b.list), b.last, err, c.count, c.last, c.err)
		}
	}
}
