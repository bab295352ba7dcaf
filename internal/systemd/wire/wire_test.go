package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

func connOf(stream []byte) *Conn { return &Conn{in: bufio.NewReader(bytes.NewReader(stream))} }

// TestCalls: another implementation reads what is written, wherever in a batch
// it stands.
func TestCalls(t *testing.T) {
	want := []Call{
		{"org.example", "/a", "org.example.I", "Get", []string{"org.example.J", "Name"}},
		{"org.example.b", "/a/b/c", "org.example.Int", "GetAll", []string{""}},
		{"o.e", "/", "i.j", "None", nil},
		{"org.example", "/a", "org.example.I", "Get", []string{"a", "bb", "ccc"}},
	}
	var out []byte
	for i, c := range want {
		out = appendCall(out, uint32(i+1), c)
	}
	in := bytes.NewReader(out)
	for i, c := range want {
		m, err := dbus.DecodeMessage(in)
		if err != nil {
			t.Fatal(i, err)
		}
		if m.Type != dbus.TypeMethodCall || m.Serial() != uint32(i+1) || m.Flags != dbus.FlagNoAutoStart {
			t.Errorf("%+v", m)
		}
		got := fmt.Sprint(m.Headers[dbus.FieldDestination].Value(), m.Headers[dbus.FieldPath].Value(),
			m.Headers[dbus.FieldInterface].Value(), m.Headers[dbus.FieldMember].Value(), m.Body)
		if w := fmt.Sprint(c.Destination, c.Path, c.Interface, c.Member, c.Args); got != w {
			t.Errorf("%s, want %s", got, w)
		}
	}
	if in.Len() != 0 {
		t.Errorf("%d bytes more", in.Len())
	}
}

func TestMessageRefusals(t *testing.T) {
	foreign := map[byte]string{'l': "B", 'B': "l"}[mark]
	head := func(first string, version, body, fields int) []byte {
		return raw(first+"\x02\x00"+string(byte(version)), body, 1, fields)
	}
	own := string(mark)
	for name, tc := range map[string]struct {
		stream []byte
		want   string
	}{
		"nothing":            {nil, "EOF"},
		"half a header":      {head(own, 1, 0, 0)[:9], "unexpected EOF"},
		"no fields":          {head(own, 1, 0, 64), "EOF"},
		"foreign byte order": {head(foreign, 1, 0, 0), "another byte order"},
		"noise":              {[]byte("HTTP/1.1 400 Bad Request\r\n"), "no D-Bus message"},
		"another version":    {head(own, 2, 0, 0), "version 2"},
		"a large body":       {head(own, 1, maxMessage, 0), "larger than"},
		"large fields":       {head(own, 1, 0, maxMessage), "larger than"},
		"a large sum":        {head(own, 1, maxMessage-8, maxMessage-8), "larger than"},
		"without measure":    {head(own, 1, -1, -1), "larger than"},
		"a field cut off":    {append(head(own, 1, 0, 5), "\x05\x01u\x00\x01\x00\x00\x00"...), "beyond the end"},
		"a field of no type": {append(head(own, 1, 0, 8), "\x05\x01z\x00\x01\x00\x00\x00"...), "variant of type"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := connOf(tc.stream).read(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// peer listens, takes the handshake, and hands each call to serve with what
// sends an answer. It ends a connection when serve returns false.
func peer(t *testing.T, serve func(call *dbus.Message, send func(*dbus.Message)) bool) string {
	return listen(t, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		for _, want := range []string{"\x00AUTH EXTERNAL ", "BEGIN\r\n"} {
			if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
				t.Errorf("handshake %q, %v", line, err)
				return
			}
		}
		_, _ = io.WriteString(conn, "OK 0123456789abcdef0123456789abcdef\r\n")
		send := func(m *dbus.Message) { _ = m.EncodeTo(conn, named) }
		for {
			call, err := dbus.DecodeMessage(in)
			if err != nil || !serve(call, send) {
				return
			}
		}
	})
}

func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wire-") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "socket")
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
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return path
}

func reply(kind dbus.Type, serial uint32, body ...any) *dbus.Message {
	m := &dbus.Message{Type: kind, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(serial),
	}}
	if kind == dbus.TypeError {
		m.Headers[dbus.FieldErrorName] = dbus.MakeVariant("org.example.Refused")
	}
	if len(body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	return m
}

func signal() *dbus.Message {
	return &dbus.Message{Type: dbus.TypeSignal, Body: []any{"x"}, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath("/a")), dbus.FieldInterface: dbus.MakeVariant("a.b"),
		dbus.FieldMember: dbus.MakeVariant("C"), dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf("x")),
	}}
}

func calls(n int) []Call {
	list := make([]Call, n)
	for i := range list {
		list[i] = Call{"org.example", "/a", "org.example.I", "Get", []string{fmt.Sprint(i)}}
	}
	return list
}

// TestAsk: many more calls than may be under way, signals between the answers,
// and more calls after them.
func TestAsk(t *testing.T) {
	path := peer(t, func(call *dbus.Message, send func(*dbus.Message)) bool {
		send(signal())
		send(reply(dbus.TypeMethodReply, call.Serial(), dbus.MakeVariant(call.Body[0])))
		return true
	})
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, n := range []int{1, 0, batch, batch*underWay*2 + 1} {
		next := 0
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := c.Ask(ctx, calls(n), func(i int, b *Body) error {
			v, err := b.Variant()
			if i != next || v != fmt.Sprint(i) || err != nil {
				t.Fatalf("answer %d is %v, %v; want %d", i, v, err, next)
			}
			next++
			return nil
		})
		if err != nil || next != n {
			t.Errorf("%d of %d answers, %v", next, n, err)
		}
	}
}

func TestAskFails(t *testing.T) {
	type serve = func(*dbus.Message, func(*dbus.Message)) bool
	const n = batch*underWay + 50
	for name, tc := range map[string]struct {
		serve serve
		want  string
	}{
		"an error": {func(call *dbus.Message, send func(*dbus.Message)) bool {
			send(reply(dbus.TypeError, call.Serial(), "not for you"))
			return true
		}, "org.example.Refused: not for you"},
		"an error without words": {func(call *dbus.Message, send func(*dbus.Message)) bool {
			send(reply(dbus.TypeError, call.Serial()))
			return true
		}, "org.example.Refused"},
		"another call's answer": {func(call *dbus.Message, send func(*dbus.Message)) bool {
			send(reply(dbus.TypeMethodReply, call.Serial()+1, dbus.MakeVariant("x")))
			return true
		}, "answer to call 2"},
		"an answer to none": {func(call *dbus.Message, send func(*dbus.Message)) bool {
			send(reply(dbus.TypeMethodReply, 0, dbus.MakeVariant("x")))
			return true
		}, "answer to call 0"},
		"another type": {func(call *dbus.Message, send func(*dbus.Message)) bool {
			send(reply(dbus.TypeMethodReply, call.Serial(), "x"))
			return true
		}, `type "s"`},
		"closes": {func(call *dbus.Message, send func(*dbus.Message)) bool {
			send(reply(dbus.TypeMethodReply, call.Serial(), dbus.MakeVariant("x")))
			return call.Serial() < 10
		}, ""},
		"hangs":        {func(*dbus.Message, func(*dbus.Message)) bool { return true }, "deadline"},
		"only signals": {func(_ *dbus.Message, send func(*dbus.Message)) bool { send(signal()); return true }, "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			c, err := Dial(ctx, peer(t, tc.serve))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			err = c.Ask(ctx, calls(n), func(_ int, b *Body) error { _, err := b.Variant(); return err })
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if err := c.Ask(ctx, calls(1), func(int, *Body) error { return nil }); err == nil {
				t.Error("the connection goes on after an error")
			}
		})
	}
}

// An answer that was read ahead, and a context that has ended before the call is
// sent: nobody frees the slot that Ask waits for. Which of the two the sender
// sees first is chance, so this is tried often.
func TestAskEndsWithItsContext(t *testing.T) {
	for range 30 {
		path := peer(t, func(call *dbus.Message, send func(*dbus.Message)) bool {
			send(reply(dbus.TypeMethodReply, call.Serial()))
			send(reply(dbus.TypeMethodReply, call.Serial()+1))
			return true
		})
		c, err := Dial(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		nothing := func(int, *Body) error { return nil }
		if err := c.Ask(t.Context(), calls(1), nothing); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // for the second answer to come
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		done := make(chan struct{})
		go func() { defer close(done); _ = c.Ask(ended, calls(1), nothing) }()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Fatal("Ask does not end")
		}
		c.Close()
	}
}

// TestAskEndsWithTake: what take says ends it, while calls are still written.
func TestAskEndsWithTake(t *testing.T) {
	path := peer(t, func(call *dbus.Message, send func(*dbus.Message)) bool {
		send(reply(dbus.TypeMethodReply, call.Serial()))
		return true
	})
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	enough := errors.New("enough")
	if err := c.Ask(t.Context(), calls(100*batch), func(int, *Body) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

func TestDialFails(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"closes":        func(net.Conn) {},
		"rejects":       func(c net.Conn) { _, _ = io.WriteString(c, "REJECTED EXTERNAL\r\n") },
		"endless line":  func(c net.Conn) { _, _ = c.Write(bytes.Repeat([]byte("OK "), 1<<20)) },
		"says nothing":  func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"half a line":   func(c net.Conn) { _, _ = io.WriteString(c, "OK 01"); _, _ = io.Copy(io.Discard, c) },
		"nearly agrees": func(c net.Conn) { _, _ = io.WriteString(c, "OKAY\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if c, err := Dial(ctx, listen(t, serve)); err == nil {
				t.Error("no error")
				c.Close()
			}
		})
	}
	if _, err := Dial(t.Context(), "/nowhere/socket"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, listen(t, func(net.Conn) {})); !errors.Is(err, context.Canceled) {
		t.Errorf("called off before: %v", err)
	}
}

// FuzzMessages: a stream of anything is read to its end without a panic.
func FuzzMessages(f *testing.F) {
	var out bytes.Buffer
	for _, m := range []*dbus.Message{reply(dbus.TypeMethodReply, 1, dbus.MakeVariant("x")), reply(dbus.TypeError, 2, "no"), signal()} {
		if err := m.EncodeTo(&out, named); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, stream []byte) {
		c := connOf(stream)
		for {
			m, err := c.read()
			if err != nil {
				return
			}
			if len(m.body.data) > len(stream) {
				t.Fatal("more than there is")
			}
			_ = m.failure().Error()
			_, _ = m.body.Variant()
		}
	})
}
