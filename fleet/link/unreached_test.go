package link

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// TestBrief: the one line says where and why, of each way in which an address does not answer.
func TestBrief(t *testing.T) {
	closed, silent := closedAddress(t), serve(t, func(net.Conn) { <-t.Context().Done() })
	for name, c := range map[string]struct {
		urls []string
		want string
	}{
		"refused":   {[]string{closed}, "the hub does not answer at " + closed[len("tls://"):] + " (connection refused)"},
		"several":   {[]string{closed, closed, silent}, "the hub does not answer at " + closed[len("tls://"):] + " and 2 more addresses (connection refused)"},
		"silent":    {[]string{silent}, "the hub does not answer at " + silent[len("tls://"):] + " (no answer in time)"},
		"long name": {[]string{"tls://" + strings.Repeat("a", 300) + ":4222"}, "the hub does not answer at aaa"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := Connect(ctx, Options{URLs: c.urls, Seed: seed(t)})
			var unreached *UnreachedError
			if !errors.As(err, &unreached) {
				t.Fatalf("%v", err)
			}
			line := unreached.Brief()
			t.Log(line)
			if !strings.HasPrefix(line, c.want) || len(line) > 300 || strings.Contains(line, "\n") {
				t.Errorf("it says %q, want %q", line, c.want)
			}
		})
	}
}

// closedAddress is one at which nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "tls://" + l.Addr().String()
}
