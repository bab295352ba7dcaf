package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/streams"
)

// Bounds of what is read at once. As much again waits in the connection meanwhile.
const (
	batch      = 4000                  // messages
	batchBytes = 16 << 20              // of them, and one message more
	moment     = 50 * time.Millisecond // for the rest of a batch
	many       = 50                    // messages of a batch, which are 1,000 a second
	calm       = 3 * time.Second       // after many, until the memories are added to again: a broker delivers little while it writes
	pull       = 10 * time.Second      // of a request; after as long without a sign the reader begins anew
	forgotten  = time.Minute           // then the broker drops a reader that went away
)

// move takes envelopes from the stream until something goes wrong. It reads from the stream's
// beginning: whatever is in there is not in the archive, or is purged with the first batch.
func (r *run) move(ctx context.Context) error {
	stream, err := r.js.Stream(ctx, streams.Evidence)
	if err != nil {
		return fmt.Errorf("read evidence: %w", err)
	}
	c, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Description: "reads for the archive", AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: forgotten,
	})
	if err != nil {
		return fmt.Errorf("read evidence: %w", err)
	}
	messages, err := c.Messages(jetstream.PullMaxBytes(batchBytes), jetstream.PullExpiry(pull), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return fmt.Errorf("read evidence: %w", err)
	}
	defer messages.Stop()
	for b := (batched{messages: messages}); ; {
		if err := b.fetch(ctx); err != nil {
			return fmt.Errorf("read evidence: %w", err)
		}
		if len(b.list) > many {
			r.busyUntil.Store(r.Now().Add(calm).UnixNano())
		}
		sources, err := r.Archive.Take(ctx, b.list)
		if err != nil {
			return err
		}
		r.note(sources)
		if err := stream.Purge(ctx, jetstream.WithPurgeSequence(b.last+1)); err != nil {
			return fmt.Errorf("delete evidence that is in the archive: %w", err)
		}
	}
}

// batched reads messages in batches. After an error it is not used again.
type batched struct {
	messages jetstream.MessagesContext
	given    uint64 // messages that the reader was given

	list []archive.Received
	size int
	last uint64 // the number of the last of them in the stream
}

// fetch waits for a message, and reads what comes within a moment.
func (b *batched) fetch(ctx context.Context) error {
	b.list, b.size = nil, 0
	m, err := b.messages.Next(jetstream.NextContext(ctx))
	for end := time.Now().Add(moment); err == nil; {
		if err := b.add(m); err != nil {
			return err
		}
		if len(b.list) >= batch || b.size >= batchBytes {
			return nil
		}
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		m, err = b.messages.Next(jetstream.NextMaxWait(left))
	}
	if len(b.list) > 0 && errors.Is(err, nats.ErrTimeout) {
		return nil
	}
	return err
}

// errSkipped says that the connection lost a message. All that was not purged is read again.
var errSkipped = errors.New("a message did not arrive")

func (b *batched) add(m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	if b.given++; meta.Sequence.Consumer != b.given {
		return errSkipped
	}
	b.list = append(b.list, archive.Received{Subject: m.Subject(), Data: m.Data(), At: meta.Timestamp})
	b.size += len(m.Data())
	b.last = meta.Sequence.Stream
	return nil
}
