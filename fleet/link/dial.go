package link

import (
	"net"
	"time"
)

// dialer keeps why an address does not answer: the client's own error says only that none does.
type dialer struct {
	limit time.Duration
	err   error
}

// Dial is for [nats.SetCustomDialer].
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	c, err := net.DialTimeout(network, address, d.limit)
	d.err = err
	return c, err
}
