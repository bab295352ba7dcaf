package link

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
)

// serve answers each connection by a function, and returns the address.
func serve(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(c)
		}
	}()
	return "tls://" + l.Addr().String()
}

func seed(t *testing.T) []byte {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// Whatever answers there, a host does not wait longer than its context, and says which address did
// not answer. Nothing of it is sent before TLS.
func TestWhatIsNoHub(t *testing.T) {
	sent := make(chan []byte, 10)
	silent := serve(t, func(c net.Conn) {
		text, _ := io.ReadAll(c)
		sent <- text
	})
	const info = `INFO {"server_id":"x","version":"2.11.0","max_payload":1048576,"proto":1,"nonce":"abc","headers":true}` + "\r\n"
	plain := serve(t, func(c net.Conn) {
		_, _ = io.WriteString(c, info)
		text, _ := io.ReadAll(c)
		sent <- text
	})
	garbage := serve(t, func(c net.Conn) {
		_, _ = io.WriteString(c, strings.Repeat("x", 1<<20))
		c.Close()
	})
	for name, urls := range map[string][]string{"silence": {silent}, "no TLS": {plain}, "garbage": {garbage}, "all": {silent, garbage, silent}} {
		ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
		began := time.Now()
		c, err := Connect(ctx, Options{URLs: urls, Pin: strings.Repeat("0", 64), JWT: "a.b.c", Seed: seed(t)})
		if err == nil {
			c.Close()
		}
		if took := time.Since(began); err == nil || took > 3*time.Second || !strings.Contains(err.Error(), strings.TrimPrefix(urls[0], "tls://")) {
			t.Errorf("%s: after %v: %v", name, took, err)
		}
		cancel()
	}
	for len(sent) > 0 {
		if text := string(<-sent); strings.Contains(text, "CONNECT") || strings.Contains(text, "jwt") {
			t.Errorf("it sent %q without TLS", text)
		}
	}
}

// Nothing is tried with options that cannot work, or after the context ended.
func TestOptions(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	good := Options{URLs: []string{"tls://127.0.0.1:1"}, Seed: seed(t)}
	for name, c := range map[string]struct {
		ctx    context.Context
		change func(*Options)
		want   string
	}{
		"no address":           {t.Context(), func(o *Options) { o.URLs = nil }, "0 addresses"},
		"too many addresses":   {t.Context(), func(o *Options) { o.URLs = make([]string, 17) }, "17 addresses"},
		"no seed":              {t.Context(), func(o *Options) { o.Seed = nil }, "seed"},
		"the context ended":    {ended, func(*Options) {}, "context canceled"},
		"an address of nobody": {t.Context(), func(*Options) {}, "connection refused"},
	} {
		o := good
		c.change(&o)
		if _, err := Connect(c.ctx, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Connect(ended, good); !errors.Is(err, context.Canceled) {
		t.Errorf("it is no error of the context: %v", err)
	}
}

// A hub that no longer reads in the middle of a message keeps nobody for longer than the context.
func TestHubThatHangs(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	url := serve(t, func(c net.Conn) {
		defer c.Close()
		_, _ = io.WriteString(c, `INFO {"server_id":"x","version":"2.11.0","max_payload":67108864,"proto":1,"nonce":"abc","headers":true,"tls_required":true}`+"\r\n")
		s := tls.Server(c, web.TLS)
		for lines := bufio.NewReader(s); ; {
			line, err := lines.ReadString('\n')
			if err != nil || strings.HasPrefix(line, "PING") {
				_, _ = io.WriteString(s, "PONG\r\n")
				<-t.Context().Done()
				return
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	c, err := Connect(ctx, Options{URLs: []string{url}, Pin: PinOf(web.Certificate()), JWT: "a.b.c", Seed: seed(t)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.RequestWithContext(ctx, "evidence.a.b.c", make([]byte, 20<<20))
	c.Close()
	if took := time.Since(began); ctx.Err() == nil || took > 3*time.Second {
		t.Errorf("after %s: %v", took, err)
	}
}
