package broker_test

import (
	"crypto/tls"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"stackpolicy/fleet/broker"
	"stackpolicy/fleet/link"
	"stackpolicy/fleet/streams"
)

// What was acknowledged is there after a start; making the streams again loses nothing.
func TestStartAgain(t *testing.T) {
	h := newHub(t)
	web := h.host("web")
	c, _ := h.connect(web)
	if _, err := request(t, c, &nats.Msg{Subject: "evidence.home.web.alice", Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	h.own.Close()
	h.broker.Stop()
	if _, err := link.Connect(t.Context(), web.link); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("stopped: %v", err)
	}
	h.start()
	if err := streams.Ensure(t.Context(), h.js, 1); err != nil {
		t.Fatal(err)
	}
	if n := h.count("EVIDENCE", ">"); n != 1 {
		t.Errorf("it has %d envelopes, want 1", n)
	}
	if again, err := broker.OwnCertificate(h.data, time.Now()); err != nil || string(again.Certificate[0]) != string(h.options.Certificate.Certificate[0]) {
		t.Errorf("it has another certificate: %v", err)
	}
}

// A broker does not start on a port that is taken, or on data that another one uses, and says
// what to do.
func TestStartRefuses(t *testing.T) {
	h := newHub(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		change func(*broker.Options)
		want   string
	}{
		"data of a hub that runs": {func(*broker.Options) {}, "are used by another hub (process"},
		"port that is taken":      {func(o *broker.Options) { o.Data, o.Listen = t.TempDir(), taken.Addr().String() }, "is taken by another program"},
		"no port":                 {func(o *broker.Options) { o.Data, o.Listen = t.TempDir(), "127.0.0.1" }, "127.0.0.1"},
		"no operator":             {func(o *broker.Options) { o.Data, o.Operator = t.TempDir(), "x" }, "operator's JWT"},
		"data that is a file":     {func(o *broker.Options) { o.Data = file(t) }, "folder"},
	} {
		o := h.options
		c.change(&o)
		b, err := broker.Start(t.Context(), o)
		if err == nil {
			b.Stop()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func file(t *testing.T) string {
	t.Helper()
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Nobody talks to it without TLS, or by an old version of it.
func TestOnlyTLS(t *testing.T) {
	h := newHub(t)
	address := strings.TrimPrefix(h.url, "tls://")
	if _, err := nats.Connect("nats://"+address, nats.NoReconnect()); err == nil {
		t.Error("a connection without TLS")
	}
	for version, want := range map[uint16]bool{tls.VersionTLS12: false, tls.VersionTLS13: true} {
		_, err := nats.Connect(h.url, nats.NoReconnect(), nats.Secure(&tls.Config{InsecureSkipVerify: true, MaxVersion: version}))
		if isTLS := err != nil && strings.Contains(err.Error(), "protocol version"); isTLS == want {
			t.Errorf("TLS %x: %v", version, err)
		}
	}
}
