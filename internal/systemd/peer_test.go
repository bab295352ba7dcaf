package systemd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// peer stands in for a bus or a manager that misbehaves. It serves both of a
// runtime folder's sockets.
func peer(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "peer-") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, path := range []string{"bus", "systemd/private"} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				t.Cleanup(func() { conn.Close() })
				go serve(conn)
			}
		}()
	}
	return dir
}

func silent(net.Conn) {}

// authenticate takes the client's side of the handshake; false when it ended.
func authenticate(conn net.Conn) (*bufio.Reader, bool) {
	in := bufio.NewReader(conn)
	if zero, err := in.ReadByte(); err != nil || zero != 0 {
		return nil, false
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, false
		}
		answer := "ERROR\r\n"
		switch line = strings.TrimSpace(line); {
		case line == "BEGIN":
			return in, true
		case line == "AUTH":
			answer = "REJECTED EXTERNAL\r\n"
		case strings.HasPrefix(line, "AUTH EXTERNAL"):
			answer = "OK 0123456789abcdef0123456789abcdef\r\n"
		case line == "NEGOTIATE_UNIX_FD":
			answer = "AGREE_UNIX_FD\r\n"
		}
		if _, err := conn.Write([]byte(answer)); err != nil {
			return nil, false
		}
	}
}

// replies answers calls by their member: a body, an error, "hang" or "close".
// What is not listed hangs.
func replies(answers map[string]any) func(net.Conn) {
	return func(conn net.Conn) {
		in, ok := authenticate(conn)
		for ok {
			call, err := dbus.DecodeMessage(in)
			if err != nil {
				return
			}
			member, _ := call.Headers[dbus.FieldMember].Value().(string)
			answer, known := answers[member]
			if answer == "close" {
				conn.Close()
				return
			}
			if known && reply(call, answer).EncodeTo(conn, binary.LittleEndian) != nil {
				return
			}
		}
	}
}

func reply(call *dbus.Message, answer any) *dbus.Message {
	m := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()),
	}}
	if err, ok := answer.(dbus.Error); ok {
		m.Type = dbus.TypeError
		m.Headers[dbus.FieldErrorName] = dbus.MakeVariant(err.Name)
	} else if answer != nil {
		m.Body = []any{answer}
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(answer))
	}
	return m
}

// up answers what dialling asks.
func up(more map[string]any) map[string]any {
	answers := map[string]any{"Hello": ":1.1", "Get": dbus.MakeVariant("257"), "GetNameOwner": ":1.0", "AddMatch": nil, "Subscribe": nil}
	for member, answer := range more {
		answers[member] = answer
	}
	return answers
}

// TestDialIsLocal: an address over which another machine could answer, or that starts a
// program, is not dialled.
func TestDialIsLocal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dialled := make(chan bool, 1)
	go func() {
		_, err := l.Accept()
		dialled <- err == nil
	}()
	for _, address := range []string{"tcp:host=127.0.0.1,port=" + port, "unix:path=/nowhere;tcp:host=127.0.0.1,port=" + port, "unixexec:path=/bin/false", ""} {
		if _, err := dialBus(t.Context(), address); err == nil || !strings.Contains(err.Error(), "is not local") {
			t.Errorf("%q: %v", address, err)
		}
	}
	l.Close()
	if <-dialled {
		t.Error("it was dialled")
	}
}

// TestDialEnds: whatever is at the other end, dialling ends with its context
// at the latest, and with an error.
func TestDialEnds(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"silent after the connection": silent,
		"closes at once":              func(c net.Conn) { c.Close() },
		"closes in the handshake":     func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); c.Close() },
		"rejects":                     func(c net.Conn) { _, _ = c.Write([]byte("REJECTED\r\nREJECTED\r\n")) },
		"noise":                       func(c net.Conn) { _, _ = c.Write([]byte(strings.Repeat("x", 1<<16) + "\r\n\r\n\r\n")) },
		"endless noise": func(c net.Conn) {
			for {
				if _, err := c.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		},
		"silent after the handshake": replies(nil),
		"closes after the handshake": func(c net.Conn) { authenticate(c); c.Close() },
		"noise after the handshake":  func(c net.Conn) { authenticate(c); _, _ = c.Write([]byte(strings.Repeat("x", 1<<16))) },
		"greets and hangs":           replies(map[string]any{"Hello": ":1.1"}),
		"no systemd there": replies(map[string]any{"Hello": ":1.1",
			"Get": dbus.Error{Name: "org.freedesktop.DBus.Error.NameHasNoOwner"}, "GetNameOwner": dbus.Error{Name: "org.freedesktop.DBus.Error.NameHasNoOwner"}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := peer(t, serve)
			within(t, 300*time.Millisecond, func(ctx context.Context) error {
				c, err := DialUser(ctx, dir, "")
				if err == nil {
					c.Close()
				}
				return err
			})
		})
	}
	t.Run("nothing there", func(t *testing.T) {
		within(t, 300*time.Millisecond, func(ctx context.Context) error {
			_, err := DialUser(ctx, t.TempDir(), "")
			return err
		})
	})
}

// within runs what must fail, soon after limit at the latest.
func within(t *testing.T, limit time.Duration, act func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- act(ctx) }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error")
		}
		return err
	case <-time.After(limit + 5*time.Second):
		t.Fatal("it did not end with its context")
		return nil
	}
}

// TestCallsEnd: so does every call on a connection that was good once.
func TestCallsEnd(t *testing.T) {
	calls := map[string]func(context.Context, *Conn) error{
		"Manager":   func(ctx context.Context, c *Conn) error { _, err := c.Manager(ctx); return err },
		"ListUnits": func(ctx context.Context, c *Conn) error { _, err := c.ListUnits(ctx); return err },
		"Units": func(ctx context.Context, c *Conn) error {
			_, err := c.Units(ctx, []string{"a.service", "b.timer"}, nil)
			return err
		},
		"Reload":      func(ctx context.Context, c *Conn) error { return c.Reload(ctx) },
		"ResetFailed": func(ctx context.Context, c *Conn) error { return c.ResetFailed(ctx, "a.service") },
		"Restart":     func(ctx context.Context, c *Conn) error { return c.Restart(ctx, "a.service") },
	}
	end := map[string]any{"Reload": "close", "ResetFailedUnit": "close", "TryRestartUnit": "close", "GetAll": "close", "ListUnits": "close"}
	job := map[string]any{"TryRestartUnit": dbus.ObjectPath("/job/1")}
	wrong := map[string]any{"GetAll": "text", "ListUnits": "text", "TryRestartUnit": "text",
		"Reload": dbus.Error{Name: "x.y"}, "ResetFailedUnit": dbus.Error{Name: "x.y"}}
	for peerName, answers := range map[string]map[string]any{"hangs": nil, "closes": end, "gives a job that never ends": job, "answers nonsense": wrong} {
		dir := peer(t, replies(up(answers)))
		for name, call := range calls {
			for _, address := range []string{"", "unix:path=/nowhere"} { // the bus, the private socket
				t.Run(peerName+"/"+name+address, func(t *testing.T) {
					t.Parallel()
					c, err := DialUser(t.Context(), dir, address)
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					within(t, 300*time.Millisecond, func(ctx context.Context) error { return call(ctx, c) })
				})
			}
		}
	}
}

func TestReloadRateLimited(t *testing.T) {
	dir := peer(t, replies(up(map[string]any{"Reload": dbus.Error{Name: "org.freedesktop.DBus.Error.LimitsExceeded"}})))
	u := &User{RuntimeDir: dir}
	if err := within(t, 2*time.Second, u.Reload); !errors.Is(err, ErrRateLimited) {
		t.Errorf("got %v", err)
	}
}

func TestWaitForJob(t *testing.T) {
	removed := func(job any, result any) *dbus.Signal {
		return &dbus.Signal{Name: managerIface + ".JobRemoved", Body: []any{uint32(1), job, "web.service", result}}
	}
	mine, other := dbus.ObjectPath("/job/1"), dbus.ObjectPath("/job/2")
	for name, tc := range map[string]struct {
		signals []*dbus.Signal
		want    string
	}{
		"done":   {[]*dbus.Signal{removed(mine, "done")}, "done"},
		"failed": {[]*dbus.Signal{removed(mine, "failed")}, "failed"},
		"after others": {[]*dbus.Signal{removed(other, "failed"), {Name: managerIface + ".JobNew", Body: []any{uint32(1), mine, "web.service"}},
			{Name: managerIface + ".JobRemoved"}, removed("/job/1", "failed"), removed(mine, "done")}, "done"},
		"result of another type": {[]*dbus.Signal{removed(mine, 1)}, ""},
	} {
		signals := make(chan *dbus.Signal, len(tc.signals))
		for _, s := range tc.signals {
			signals <- s
		}
		if got, err := waitForJob(t.Context(), signals, mine); err != nil || got != tc.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tc.want)
		}
	}
	closed := make(chan *dbus.Signal)
	close(closed)
	if _, err := waitForJob(t.Context(), closed, mine); err == nil {
		t.Error("a closed connection gave a result")
	}
}
