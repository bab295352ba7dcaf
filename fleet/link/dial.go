package link

import (
	"net"
	"sync"
	"time"
)

// dialer keeps why an address does not answer: the client's own error says only that none does.
type dialer struct {
	limit time.Duration

	mu    sync.Mutex
	err   error // of the last address
	conn  net.Conn
	isCut bool
}

// Dial is for [nats.SetCustomDialer].
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	c, err := net.DialTimeout(network, address, d.limit)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil && d.isCut {
		_ = c.Close()
		c, err = nil, net.ErrClosed
	}
	d.conn, d.err = c, err
	return c, err
}

// cut ends the connection, also while something is written that the hub does not read: the client
// would wait for that, whatever a context says.
func (d *dialer) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isCut = true; d.conn != nil {
		_ = d.conn.Close()
	}
}

func (d *dialer) failed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}
