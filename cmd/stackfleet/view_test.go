package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/authority"
)

// hubFolder makes the folder of a hub, with sources that are enrolled and have the beats.
func hubFolder(t *testing.T, beats map[string]fleet.Beat) string {
	t.Helper()
	data := t.TempDir()
	keys, err := authority.Make(data, "home")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	a, err := archive.Open(t.Context(), data, archive.Keys{Watermarks: keys.Archive, Registry: keys.Registry.Public()}, now)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for host, beat := range beats {
		source := fleet.Source{Org: "home", Host: host, User: "ada"}
		key, err := fleet.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		statement, err := keys.Registry.Sign(fleet.IdentityKind, source, fleet.Identity{Source: source, Key: key.Public(), Enrolled: now})
		if err == nil {
			err = a.Enroll(t.Context(), source, statement)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !beat.Audited.IsZero() {
			send(t, a, key, fleet.Envelope{Source: source, Seq: 1, At: now, Beat: beat})
		}
	}
	return data
}

func send(t *testing.T, a *archive.Archive, key fleet.Key, e fleet.Envelope) {
	t.Helper()
	sealed, err := key.Seal(e)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := e.Subject()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Take(t.Context(), []archive.Received{{Subject: subject, Data: sealed, At: e.At}}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), e.At); err != nil {
		t.Fatal(err)
	}
}

func TestStatus(t *testing.T) {
	now := time.Now()
	good, ticket, page, unknown := fleet.Beat{Audited: now}, fleet.Beat{Audited: now, ExitCode: 1}, fleet.Beat{Audited: now, ExitCode: 2}, fleet.Beat{Audited: now, ExitCode: 3}
	cases := map[string]struct {
		beats  map[string]fleet.Beat
		status int
		want   string
	}{
		"no source":   {nil, 3, "UNKNOWN: no source is enrolled"},
		"good":        {map[string]fleet.Beat{"den": good, "web": good}, 0, "OK: 2 good"},
		"a ticket":    {map[string]fleet.Beat{"den": good, "web": ticket}, 1, "WARNING: 1 ticket, 1 good"},
		"a page":      {map[string]fleet.Beat{"den": unknown, "web": page}, 2, "CRITICAL: 1 page, 1 unknown"},
		"undecided":   {map[string]fleet.Beat{"den": unknown, "web": ticket}, 3, "UNKNOWN: 1 unknown, 1 ticket"},
		"never heard": {map[string]fleet.Beat{"den": good, "web": {}}, 2, "CRITICAL: 1 never heard from, 1 good"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			status := run(t.Context(), []string{"status", "--data", hubFolder(t, c.beats)}, nil, &out, &errs)
			if first, _, _ := strings.Cut(out.String(), "\n"); status != c.status || first != c.want || errs.Len() > 0 {
				t.Errorf("%d: %s%s", status, out.String(), errs.String())
			}
		})
	}
}

func TestStatusFormats(t *testing.T) {
	data := hubFolder(t, map[string]fleet.Beat{"den": {Audited: time.Now(), ExitCode: 1}})
	for format, want := range map[string]string{"text": "den ada", "json": `"stackpolicy.fleet/v1"`, "openmetrics": `stackpolicy_fleet_sources{state="ticket"} 1`} {
		var out, errs bytes.Buffer
		if status := run(t.Context(), []string{"status", "-o", format, "--data", data}, nil, &out, &errs); status != 1 || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %d: %s%s", format, status, out.String(), errs.String())
		}
	}
}

// TestWithoutAHub: what cannot be read is never good, and nothing is made.
func TestWithoutAHub(t *testing.T) {
	data := filepath.Join(t.TempDir(), "none")
	for _, args := range [][]string{{"status"}, {"page", "--to", t.TempDir()}, {"page"}} {
		var out, errs bytes.Buffer
		status := run(t.Context(), append(args, "--data", data), nil, &out, &errs)
		if status != 3 || !strings.Contains(errs.String(), "there is no hub in "+data) || out.Len() > 0 {
			t.Errorf("%v: %d: %s%s", args, status, out.String(), errs.String())
		}
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("a folder was made")
	}
}

func TestPageTo(t *testing.T) {
	data, to := hubFolder(t, map[string]fleet.Beat{"den": {Audited: time.Now()}}), filepath.Join(t.TempDir(), "page")
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"page", "--to", to, "--data", data}, nil, &out, &errs); status != 0 || out.Len()+errs.Len() > 0 {
		t.Fatalf("%d: %s%s", status, out.String(), errs.String())
	}
	for _, name := range []string{"index.html", "fleet.json", "fleet.prom"} {
		if text, err := os.ReadFile(filepath.Join(to, name)); err != nil || !strings.Contains(string(text), "den") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if status := run(t.Context(), []string{"page", "--to", to, "--listen", "127.0.0.1:0", "--data", data}, nil, &out, &errs); status != 3 || !strings.Contains(errs.String(), "leave one of them out") {
		t.Errorf("both: %d: %s", status, errs.String())
	}
}

// TestPageListen: it says where it is, answers there, and ends well.
func TestPageListen(t *testing.T) {
	data := hubFolder(t, map[string]fleet.Beat{"den": {Audited: time.Now()}})
	ctx, cancel := context.WithCancel(t.Context())
	said, errs := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"page", "--listen", "127.0.0.1:0", "--data", data}, nil, io.Discard, errs)
		errs.Close()
	}()
	first := make([]byte, 200)
	n, err := said.Read(first)
	url := regexp.MustCompile(`http://\S+/`).FindString(string(first[:n]))
	if err != nil || url == "" {
		t.Fatalf("it says %q, %v", first[:n], err)
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != 200 || !strings.Contains(string(text), "den") {
		t.Errorf("%d: %v", answer.StatusCode, err)
	}
	cancel()
	if status := <-ended; status != 0 {
		t.Errorf("it ended with %d", status)
	}
}

// TestServeHasAPage: serve serves the page of its hosts, and takes evidence also if it cannot.
func TestServeHasAPage(t *testing.T) {
	t.Parallel()
	hub, address := newTerminal(t), freeAddress(t)
	serve := hub.start("stackfleet", "serve", "--listen", freeAddress(t), "--page", address)
	serve.until("the page is at http://" + address + "/")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != 200 || !strings.Contains(string(text), "No host is enrolled") {
		t.Errorf("%d: %v", answer.StatusCode, err)
	}
	if out, err := hub.run("stackfleet", "status"); err == nil || !strings.Contains(out, "no source is enrolled") {
		t.Errorf("status: %v: %s", err, out)
	}
	other := newTerminal(t).start("stackfleet", "serve", "--listen", freeAddress(t), "--page", address)
	other.until("page: it is not served")
	none := newTerminal(t).start("stackfleet", "serve", "--listen", freeAddress(t), "--page", "none")
	none.until("enroll a host in another terminal")
	for _, p := range []*running{serve, other, none} {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestAlert: what is wrong is sent once, and what the sinks are must be said.
func TestAlert(t *testing.T) {
	data, sent := hubFolder(t, map[string]fleet.Beat{"den": {Audited: time.Now().Add(-3 * 24 * time.Hour)}}), make(chan string, 10)
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"alert", "--data", data}, nil, &out, &errs); status != 3 || !strings.Contains(errs.String(), "alerts.yaml") {
		t.Errorf("without sinks: %d: %s", status, errs.String())
	}
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		sent <- string(text)
	}))
	defer sink.Close()
	config := "journal: {severity: none}\nwebhooks: [{name: chat, url: '" + sink.URL + "'}]\ntextfile: " + filepath.Join(t.TempDir(), "fleet.prom") + "\n"
	if err := os.WriteFile(filepath.Join(data, "alerts.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		errs.Reset()
		if status := run(t.Context(), []string{"alert", "--data", data}, nil, &out, &errs); status != 0 || errs.Len() > 0 {
			t.Errorf("%d: %s", status, errs.String())
		}
	}
	if len(sent) != 1 {
		t.Fatalf("%d alerts were sent", len(sent))
	}
	if text := <-sent; !strings.Contains(text, "den ada sends, and has not audited since") {
		t.Errorf("sent %s", text)
	}
}

// TestEndedByASignal: the error of a context is no message to people.
func TestEndedByASignal(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	end()
	var out, errs bytes.Buffer
	args := []string{"verify", "--data", hubFolder(t, map[string]fleet.Beat{"den": {}})}
	if status := run(ctx, args, nil, &out, &errs); status != 3 || errs.String() != "stackfleet: a signal ended it\n" {
		t.Errorf("%d: %s", status, errs.String())
	}
}

// TestPageElsewhere: who can read a page that is not on loopback is said.
func TestPageElsewhere(t *testing.T) {
	for ip, want := range map[string]bool{"127.0.0.1": false, "::1": false, "::": true, "192.0.2.1": true} {
		var errs strings.Builder
		announcePage(&errs, &net.TCPAddr{IP: net.ParseIP(ip), Port: 8460})
		if got := strings.Contains(errs.String(), "asks for no password"); got != want {
			t.Errorf("%s: %s", ip, &errs)
		}
	}
}

// TestAlertWaits: what a sink did not take is said in each run until it is sent, not only in those
// that try again.
func TestAlertWaits(t *testing.T) {
	data := hubFolder(t, map[string]fleet.Beat{"den": {Audited: time.Now().Add(-3 * 24 * time.Hour)}})
	down := httptest.NewServer(http.NotFoundHandler())
	defer down.Close()
	config := "journal: {severity: none}\nwebhooks: [{name: chat, url: '" + down.URL + "'}]\n"
	if err := os.WriteFile(filepath.Join(data, "alerts.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"404", "1 alert waits for webhook:chat: it failed before"} {
		var out, errs bytes.Buffer
		if status := run(t.Context(), []string{"alert", "--data", data}, nil, &out, &errs); status != 3 || !strings.Contains(errs.String(), want) {
			t.Errorf("%d: %q, want %q", status, errs.String(), want)
		}
	}
}
