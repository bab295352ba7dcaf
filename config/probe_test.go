package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/internal/probe"
)

// inStack is a configuration in which the stack web has the given probes.
func inStack(probes string) []byte { return []byte("stacks: {web: {probes: [" + probes + "]}}") }

func TestProbes(t *testing.T) {
	cases := []struct {
		name, probe string
		want        probe.Probe
	}{
		{"http", `{http: "http://127.0.0.1:8080/health"}`,
			probe.Probe{Kind: "http", Address: "http://127.0.0.1:8080/health", Status: 200, Within: 2 * time.Second}},
		{"every key", `{http: "https://ada:pw@example.org?a=b", status: 401, within: 10s}`,
			probe.Probe{Kind: "http", Address: "https://ada:pw@example.org?a=b", Status: 401, Within: 10 * time.Second}},
		{"tcp", `{tcp: "127.0.0.1:5432"}`, probe.Probe{Kind: "tcp", Address: "127.0.0.1:5432", Within: 2 * time.Second}},
		{"IPv6", `{tcp: "[::1]:80", within: 100ms}`, probe.Probe{Kind: "tcp", Address: "[::1]:80", Within: 100 * time.Millisecond}},
		{"IPv6 in a URL", `{http: "http://[::1]"}`, probe.Probe{Kind: "http", Address: "http://[::1]", Status: 200, Within: 2 * time.Second}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(inStack(c.probe))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got.Stacks["web"].Probes[0].Question()); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestProbesThatAreRefused(t *testing.T) {
	const url = ".http: want a URL such as http://127.0.0.1:8080/health"
	cases := []struct{ name, probe, err string }{
		{"neither", `{within: 2s}`, ": want either http or tcp"},
		{"both", `{http: "http://x", tcp: "x:1"}`, ": want either http or tcp"},
		{"no scheme", `{http: "127.0.0.1:8080"}`, url},
		{"another scheme", `{http: "ftp://x"}`, url},
		{"no host", `{http: "http:///health"}`, url},
		{"no port", `{http: "http://x:"}`, url},
		{"port 0", `{http: "http://x:0"}`, url},
		{"a fragment", `{http: "http://x/#a"}`, url},
		{"long", `{http: "http://x/` + strings.Repeat("a", 500) + `"}`, url},
		{"tcp without a port", `{tcp: "localhost"}`, `.tcp: "localhost" is not HOST:PORT; write one such as 127.0.0.1:5432`},
		{"tcp without a host", `{tcp: ":80"}`, `.tcp: ":80" is not HOST:PORT; write one such as 127.0.0.1:5432`},
		{"tcp by a service's name", `{tcp: "x:http"}`, `.tcp: "x:http" is not HOST:PORT; write one such as 127.0.0.1:5432`},
		{"tcp port too high", `{tcp: "x:65536"}`, `.tcp: "x:65536" is not HOST:PORT; write one such as 127.0.0.1:5432`},
		{"tcp with a status", `{tcp: "x:1", status: 200}`, ".status: only http has one"},
		{"no status", `{http: "http://x", status: 20}`, ".status: 20 is not the status of an answer; want 200 to 599"},
		{"in no time", `{http: "http://x", within: 1ms}`, ".within: 1ms is not from 100ms to 10s"},
		{"negative", `{http: "http://x", within: -2s}`, ".within: -2s is not from 100ms to 10s"},
		{"for ever", `{http: "http://x", within: 1h}`, ".within: 1h0m0s is not from 100ms to 10s"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(inStack(c.probe))
			if want := "stacks.web.probes.0" + c.err; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// TestPasswordsOfProbes: errors do not contain them, because other people read errors.
func TestPasswordsOfProbes(t *testing.T) {
	for _, text := range []string{"http://ada:hunter2@x:0/", "http://ada:hunter2@%zz/", "://ada:hunter2@x", "ftp://x?key=hunter2"} {
		if _, err := parse(inStack(fmt.Sprintf("{http: %q}", text))); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestNumberOfProbes(t *testing.T) {
	for n, want := range map[int]string{maxProbes: "<nil>", maxProbes + 1: "stacks: 65 probes together; want 64 at most"} {
		list := strings.Repeat(`{tcp: "x:1"},`, n-1)
		content := "stacks: {web: {probes: [" + list + `]}, db: {probes: [{tcp: "x:1"}]}}`
		if _, err := parse([]byte(content)); fmt.Sprint(err) != want {
			t.Errorf("%d probes: got %v, want %s", n, err, want)
		}
	}
}
