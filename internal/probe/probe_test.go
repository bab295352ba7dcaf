package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve answers each connection by what the function does with it.
func serve(t *testing.T, with func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				with(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// closed is an address on which nothing listens.
func closed(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func says(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, text)
	}
}

func hangs(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func TestAsk(t *testing.T) {
	http204 := serve(t, says("HTTP/1.1 204 No Content\r\n\r\n"))
	cases := map[string]struct {
		kind, address string
		status        int
		want          string // the error; "" is OK
		got           int    // status
	}{
		"a connection":           {TCP, serve(t, hangs), 0, "", 0},
		"no connection":          {TCP, closed(t), 0, "connection refused", 0},
		"no such host":           {TCP, "nothing.invalid:80", 0, "lookup nothing.invalid", 0},
		"the status":             {HTTP, "http://" + http204, 204, "", 204},
		"another status":         {HTTP, "http://" + http204, 200, "status 204", 204},
		"an error":               {HTTP, "http://" + serve(t, says("HTTP/1.1 502 Bad\r\n\r\n")), 200, "status 502", 502},
		"a redirect":             {HTTP, "http://" + serve(t, says("HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:1/\r\n\r\n")), 200, "status 302, a redirect, which is not followed", 302},
		"a redirect is right":    {HTTP, "http://" + serve(t, says("HTTP/1.1 302 F\r\nLocation: ::\r\n\r\n")), 302, "", 302},
		"nobody there":           {HTTP, "http://" + closed(t), 200, "connection refused", 0},
		"never answers":          {HTTP, "http://" + serve(t, hangs), 200, "no answer within 300ms", 0},
		"no HTTP":                {HTTP, "http://" + serve(t, says("SSH-2.0-x\r\n")), 200, "the answer is not HTTP", 0},
		"closed at once":         {HTTP, "http://" + serve(t, says("")), 200, "closed without an answer", 0},
		"an endless header":      {HTTP, "http://" + serve(t, endlessHeader), 200, "the answer is not HTTP", 0},
		"an endless body":        {HTTP, "http://" + serve(t, endlessBody), 200, "", 200},
		"a body that never ends": {HTTP, "http://" + serve(t, says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")), 200, "", 200},
		"no TLS":                 {HTTP, "https://" + http204, 200, "the answer is not HTTP", 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := Probe{c.kind, c.address, c.status, 300 * time.Millisecond}.Ask(t.Context())
			if a.OK != (c.want == "") || a.Status != c.got || !strings.Contains(a.Error, c.want) || a.OK != (a.Error == "") {
				t.Errorf("got %+v, want %q with status %d", a, c.want, c.got)
			}
			if a.Latency <= 0 || a.Latency > 3*time.Second {
				t.Errorf("it took %s", a.Latency)
			}
		})
	}
}

func endlessHeader(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 4096))
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
	for i := 0; err == nil; i++ {
		_, err = fmt.Fprintf(conn, "X-%d: %s\r\n", i, strings.Repeat("x", 1000))
	}
}

func endlessBody(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 4096))
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	for err == nil {
		_, err = conn.Write(make([]byte, 1<<16))
	}
}

// TestStopped: a probe ends with its context.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	a := Probe{HTTP, "http://" + serve(t, hangs), 200, 10 * time.Second}.Ask(ctx)
	if a.OK || a.Error == "" || a.Latency > 5*time.Second {
		t.Errorf("got %+v", a)
	}
}

// TestNoProxy: the environment does not decide who is asked.
func TestNoProxy(t *testing.T) {
	var asked atomic.Int64
	proxy := serve(t, func(net.Conn) { asked.Add(1) })
	t.Setenv("HTTP_PROXY", "http://"+proxy)
	t.Setenv("ALL_PROXY", "http://"+proxy)
	Probe{HTTP, "http://nothing.invalid/", 200, time.Second}.Ask(t.Context())
	if n := asked.Load(); n != 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

// TestSecrets: a service gets what the URL holds, and none of it is in what is
// reported, not even from a service that sends back what it gets.
func TestSecrets(t *testing.T) {
	const secret = "hunter2"
	got := make(chan string, 8)
	echo := serve(t, func(conn net.Conn) {
		text := make([]byte, 4096)
		n, _ := conn.Read(text)
		got <- string(text[:n])
		_, _ = conn.Write(text[:n])
	})
	p := Probe{HTTP, "http://ada:" + secret + "@" + echo + "/health?key=" + secret + "#" + secret, 200, time.Second}
	a := p.Ask(t.Context())
	if request := <-got; !strings.Contains(request, "key="+secret) || !strings.Contains(request, "Authorization: Basic") {
		t.Errorf("the service got %q", request)
	}
	if a.OK || strings.Contains(a.Error+p.Target()+p.Expected(), secret) {
		t.Errorf("reported: %q, %q, %q", a.Error, p.Target(), p.Expected())
	}
	if want := "http://" + echo + "/health?..."; p.Target() != want {
		t.Errorf("target %q, want %q", p.Target(), want)
	}
	if target := (Probe{HTTP, "http://ada:" + secret + "@%zz/", 200, time.Second}).Target(); strings.Contains(target, secret) {
		t.Errorf("target of a URL that cannot be read: %q", target)
	}
}

// trusted is a certificate that this process trusts, as SSL_CERT_FILE names it.
var trusted = certificate(time.Now().Add(time.Hour))

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		panic(err)
	}
	file := filepath.Join(dir, "roots.pem")
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.Certificate[0]})
	if err := errors.Join(os.WriteFile(file, roots, 0o600), os.Setenv("SSL_CERT_FILE", file)); err != nil {
		panic(err)
	}
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// certificate is one of its own authority, valid until the given time.
func certificate(until time.Time) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: until.Add(-2 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// TestCertificate: its end is known even where it is not accepted.
func TestCertificate(t *testing.T) {
	cases := map[string]struct {
		certificate tls.Certificate
		want        string // the error; "" is OK
	}{
		"trusted":     {trusted, ""},
		"not trusted": {certificate(time.Now().Add(time.Hour)), "certificate"},
		"ended":       {certificate(time.Now().Add(-time.Hour)), "certificate"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{c.certificate}}
			server.StartTLS()
			t.Cleanup(server.Close)
			a := Probe{HTTP, server.URL, 404, time.Second}.Ask(t.Context())
			if a.OK != (c.want == "") || !strings.Contains(a.Error, c.want) {
				t.Errorf("got %+v, want %q", a, c.want)
			}
			if end := c.certificate.Leaf.NotAfter; !a.CertificateEnd.Equal(end) {
				t.Errorf("it ends at %s, want %s", a.CertificateEnd, end)
			}
		})
	}
}

func TestWords(t *testing.T) {
	tcp := Probe{TCP, "127.0.0.1:5432", 0, 2 * time.Second}
	if tcp.Target() != "127.0.0.1:5432" || tcp.Expected() != "a connection within 2s" {
		t.Errorf("got %q, %q", tcp.Target(), tcp.Expected())
	}
	if got := (Probe{HTTP, "http://x/", 200, 2 * time.Second}).Expected(); got != "status 200 within 2s" {
		t.Errorf("got %q", got)
	}
	if got := oneLine("a\x1b[31m\n b" + strings.Repeat("x", 300)); strings.ContainsAny(got, "\x1b\n") || len([]rune(got)) != maxError {
		t.Errorf("got %q", got)
	}
}
