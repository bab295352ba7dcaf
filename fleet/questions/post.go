package questions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// storeLimit is how long the broker may take to store one more message. It writes each to its disk.
const storeLimit = 10 * time.Second

// posts are messages on their way to the broker, in their order. One after the other would wait for
// its disk each time.
type posts struct {
	jetstream.JetStream
	sent []jetstream.PubAckFuture
}

// send sends a message. Call wait to know that it was stored.
func (p *posts) send(subject string, data []byte) error {
	f, err := p.PublishAsync(subject, data)
	if err != nil {
		return err
	}
	p.sent = append(p.sent, f)
	return nil
}

// wait waits until all are stored. It returns the first error.
func (p *posts) wait(ctx context.Context) error {
	for _, f := range p.sent {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.Ok():
		case err := <-f.Err():
			return fmt.Errorf("send to the broker: %w", err)
		case <-time.After(storeLimit):
			return errors.New("send to the broker: it does not store a message")
		}
	}
	p.sent = nil
	return nil
}
