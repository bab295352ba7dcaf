package courier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"stackpolicy/fleet/streams"
)

// Over returns the hub at the other end of a connection. Close closes the connection.
func Over(c *nats.Conn) Hub { return natsHub{c} }

type natsHub struct{ c *nats.Conn }

func (h natsHub) Close() { h.c.Close() }

// acknowledgement is what JetStream answers to a message (its ADR-1): in which stream it is, or
// why it is in none.
type acknowledgement struct {
	Stream string `json:"stream"`
	Error  *struct {
		Description string `json:"description"`
	} `json:"error"`
}

// Publish implements [Hub].
func (h natsHub) Publish(ctx context.Context, subject, id string, data []byte) error {
	m := &nats.Msg{Subject: subject, Data: data, Header: nats.Header{nats.MsgIdHdr: {id}}}
	answer, err := h.c.RequestMsgWithContext(ctx, m)
	if err != nil {
		return explained(err)
	}
	var ack acknowledgement
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return fmt.Errorf("the broker's answer: %w", err)
	}
	if ack.Error != nil {
		return fmt.Errorf("the broker does not take it: %s", ack.Error.Description)
	}
	if ack.Stream != streams.Evidence {
		return fmt.Errorf("the broker answers of the stream %q", ack.Stream)
	}
	return nil
}

// Last implements [Hub] by a direct get (ADR-31).
func (h natsHub) Last(ctx context.Context, subject string) ([]byte, error) {
	m, err := h.c.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+streams.Fleet+"."+subject, nil)
	if err != nil {
		return nil, explained(err)
	}
	switch status := m.Header.Get("Status"); status {
	case "":
		return m.Data, nil
	case "404":
		return nil, nil
	default:
		return nil, fmt.Errorf("the broker answers %s %s", status, m.Header.Get("Description"))
	}
}

// explained says what an answer that does not come may mean.
func explained(err error) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return errors.New("the broker has no stream for it now: the hub makes it when it starts, and a cluster that lost a server needs some seconds")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("the hub does not answer in time")
	case errors.Is(err, nats.ErrConnectionClosed):
		return errors.New("the connection to the hub broke")
	}
	return err
}
