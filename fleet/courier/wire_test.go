package courier_test

import (
	"net"
	"strings"
	"sync"
	"testing"
)

// wire is a network between a host and the broker that can fail.
type wire struct {
	URL string // of the host's end

	mu     sync.Mutex
	target string
	flows  *sync.Cond
	frozen bool
	conns  []net.Conn
}

// newWire lays a wire to a broker.
func newWire(t *testing.T, url string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{URL: "tls://" + l.Addr().String(), target: strings.TrimPrefix(url, "tls://")}
	w.flows = sync.NewCond(&w.mu)
	var done sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		w.cut()
		w.thaw()
		done.Wait()
	})
	done.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", w.target)
			if err != nil {
				_ = near.Close()
				continue
			}
			w.mu.Lock()
			w.conns = append(w.conns, near, far)
			w.mu.Unlock()
			done.Go(func() { w.carry(far, near) })
			done.Go(func() { w.carry(near, far) })
		}
	})
	return w
}

// carry carries bytes in one direction until an end closes.
func (w *wire) carry(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		w.mu.Lock()
		for w.frozen {
			w.flows.Wait()
		}
		w.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// freeze carries nothing any more, and ends nothing: as if a cable was pulled.
func (w *wire) freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = true
}

func (w *wire) thaw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = false
	w.flows.Broadcast()
}

// cut ends every connection.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}
