package link

import (
	"net"
	"sync"
	"time"
)

// dialer keeps why an address does not answer: the client's own error says only that none does.
type dialer struct {
	limit time.Duration

	mu  sync.Mutex
	err error // of the last address
}

// Dial is for [nats.SetCustomDialer].
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	c, err := net.DialTimeout(network, address, d.limit)
	d.mu.Lock()
	d.err = err
	d.mu.Unlock()
	return c, err
}

func (d *dialer) failed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}
