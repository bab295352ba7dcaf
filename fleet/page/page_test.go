package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/fleet"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/overview"
	"stackpolicy/fleet/spool"
	"stackpolicy/history"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// hub is an archive, and a maker of its pages at a time that the test sets.
type hub struct {
	*archive.Archive
	registry fleet.Key
	now      time.Time
}

func newHub(t *testing.T) *hub {
	t.Helper()
	marks, err1 := fleet.NewKey()
	registry, err2 := fleet.NewKey()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	a, err := archive.Open(t.Context(), t.TempDir(), archive.Keys{Watermarks: marks, Registry: registry.Public()}, noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return &hub{a, registry, noon.Add(5 * time.Minute)}
}

func (h *hub) maker() Maker {
	runbook := policy.Runbook{Cases: map[string][]policy.Step{policy.AnyCase: {{Text: "Start it: `systemctl --user start web.service`"}, {Text: "{activate}"}}}}
	return Maker{
		Archive: h, Invariants: func() []policy.Invariant { return []policy.Invariant{{ID: "stack_running", Runbook: runbook}} },
		Version: "1.0.0", Now: func() time.Time { return h.now },
	}
}

// enroll makes a host that is known to the hub.
func (h *hub) enroll(t *testing.T, name, user string) spool.Host {
	t.Helper()
	key, err := fleet.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	source := fleet.Source{Org: "home", Host: name, User: user}
	statement, err := h.registry.Sign(fleet.IdentityKind, source, fleet.Identity{Source: source, Key: key.Public(), Enrolled: noon})
	if err == nil {
		err = h.Enroll(t.Context(), source, statement)
	}
	if err != nil {
		t.Fatal(err)
	}
	return spool.Host{Source: source, Key: key, Boot: "b", Program: "1"}
}

// report has a host audit, with a page about each case, and send its evidence.
func (h *hub) report(t *testing.T, from spool.Host, cases ...string) {
	t.Helper()
	home, at := t.TempDir(), noon.Add(time.Minute)
	store, err1 := history.Open(t.Context(), home, noon)
	waiting, err2 := spool.Open(t.Context(), home, from.Source, noon)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	defer waiting.Close()
	from.Store = store
	a := history.Audit{At: at, Mode: "observe", PolicyDigest: "sha256:p", Document: &facts.Document{Schema: "s", Units: []facts.Unit{{Name: "web.service"}}, Declared: &facts.Declared{}}}
	for _, c := range cases {
		a.ExitCode = 2
		a.Findings = append(a.Findings, finding.Finding{
			Invariant: "stack_running", Subject: "web.service", Effect: finding.Block, Severity: finding.Page, Message: c, Evidence: map[string]any{"case": c},
		})
	}
	if _, err := store.Record(context.WithoutCancel(t.Context()), a); err != nil {
		t.Fatal(err)
	}
	e, _, err := waiting.Seal(t.Context(), from, at)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := from.Subject()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Take(t.Context(), []archive.Received{{Subject: subject, Data: e.Sealed, At: at}}); err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		if more, err = h.Apply(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
}

// sample is a hub with a host that is good, one with a page, one of a strange name, and one that never sent.
func sample(t *testing.T) *hub {
	t.Helper()
	h := newHub(t)
	h.report(t, h.enroll(t, "den", "ada"))
	h.report(t, h.enroll(t, "web", "app"), "web.service is not running")
	h.report(t, h.enroll(t, "<b>../x</b>", strings.Repeat("\"", 64)))
	h.enroll(t, "new", "ada")
	return h
}

func TestFleet(t *testing.T) {
	h := sample(t)
	in, err := h.maker().Fleet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]overview.State{}
	for _, r := range in.Sources {
		states[r.Host] = r.State
		if got := r.Page != ""; got != (r.Host != "new") {
			t.Errorf("%s has the page %q", r.Host, r.Page)
		}
	}
	if states["den"] != overview.Good || states["web"] != overview.Page || states["new"] != overview.Never || in.ExitCode != 2 {
		t.Errorf("%v, exit code %d", states, in.ExitCode)
	}
	h.now = noon.Add(24 * time.Hour) // and nothing more was received
	if in, err = h.maker().Fleet(t.Context()); err != nil || in.Totals[1].Sources != 3 {
		t.Errorf("a day later: %+v, %v", in.Totals, err)
	}
}

func TestPathOf(t *testing.T) {
	plain := regexp.MustCompile(`^source/[A-Za-z0-9_.~-]{1,205}$`)
	seen := map[string]string{}
	for _, name := range []string{"den", "a.b", "a~b", "a%b", "..", "/", "A", "a", "~2E~2E", strings.Repeat("%", 64), strings.Repeat("%", 63) + "~", "\x00"} {
		path := PathOf(fleet.Source{Org: "o", Host: name, User: name})
		if !plain.MatchString(path) || seen[path] != "" {
			t.Errorf("%q: %s, also of %q", name, path, seen[path])
		}
		seen[path] = name
	}
	if got := PathOf(fleet.Source{Org: "home", Host: "den", User: "a.b"}); got != "source/home.den.a~2Eb.html" {
		t.Errorf("got %s", got)
	}
}

// TestWrite: all files are there, and every link leads to one.
func TestWrite(t *testing.T) {
	h, dir := sample(t), filepath.Join(t.TempDir(), "page")
	if err := h.maker().Write(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	index := read(t, filepath.Join(dir, "index.html"))
	links := regexp.MustCompile(`href="([^"#]+)"`).FindAllStringSubmatch(index, -1)
	if len(links) != 4 {
		t.Errorf("links: %v", links)
	}
	for _, l := range links {
		if _, err := os.Stat(filepath.Join(dir, l[1])); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []string{"Start it: ", "as your dotfiles have it"} { // the host is without Home Manager
		if !strings.Contains(index, want) {
			t.Errorf("the page lacks the step %q of the runbook", want)
		}
	}
	web := read(t, filepath.Join(dir, "source", "home.web.app.html"))
	for _, want := range []string{"web.service is not running", "The host may know more", "Start it: "} {
		if !strings.Contains(web, want) {
			t.Errorf("the page of a source lacks %q", want)
		}
	}
	var f overview.Fleet
	if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, "fleet.json"))), &f); err != nil || len(f.Sources) != 4 {
		t.Errorf("fleet.json: %v", err)
	}
	if !strings.Contains(read(t, filepath.Join(dir, "fleet.prom")), "stackpolicy_fleet_sources{state=\"page\"} 1\n") {
		t.Error("fleet.prom lacks the page")
	}
}

// TestWriteOfADamagedMemory: one source whose memory cannot be read is an error, and the fleet is
// written without its page.
func TestWriteOfADamagedMemory(t *testing.T) {
	h, dir := sample(t), t.TempDir()
	all, err := h.Memories(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.Host == "web" {
			if err := os.RemoveAll(m.Home); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.maker().Write(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "web app") {
		t.Errorf("got %v", err)
	}
	index := read(t, filepath.Join(dir, "index.html"))
	if strings.Contains(index, "home.web.app.html\"") || !strings.Contains(index, "home.den.ada.html\"") || !strings.Contains(index, "web.service is not running") {
		t.Error("the fleet is not written, or links to what is not there")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHandler(t *testing.T) {
	h := sample(t)
	server := NewServer(h.maker(), func(err error) { t.Error(err) })
	cases := map[string]struct {
		method, path, host string
		status             int
		has                string
	}{
		"the page":           {"GET", "/", "localhost:8460", 200, "<h1>"},
		"by its name":        {"GET", "/index.html", "127.0.0.1", 200, "<h1>"},
		"its head":           {"HEAD", "/", "[::1]:8460", 200, ""},
		"JSON":               {"GET", "/fleet.json", "localhost", 200, `"stackpolicy.fleet/v1"`},
		"metrics":            {"GET", "/metrics", "localhost", 200, "# EOF"},
		"a source":           {"GET", "/source/home.web.app.html", "localhost", 200, "web.service is not running"},
		"with its name":      {"GET", "/source/home.web.app.html", "localhost", 200, "<title>stackpolicy: CRITICAL on web app"},
		"that never sent":    {"GET", "/source/home.new.ada.html", "localhost", 404, ""},
		"no source":          {"GET", "/source/home.x.y.html", "localhost", 404, ""},
		"out of the folder":  {"GET", "/source/..%2f..%2fetc%2fpasswd", "localhost", 404, ""},
		"nothing":            {"GET", "/x", "localhost", 404, ""},
		"a post":             {"POST", "/", "localhost", 405, ""},
		"a delete":           {"DELETE", "/fleet.json", "localhost", 405, ""},
		"by another name":    {"GET", "/", "evil.example", 421, ""},
		"that begins alike":  {"GET", "/", "localhost.evil.example", 421, ""},
		"an outside address": {"GET", "/", "192.0.2.1:8460", 421, ""},
		"without a name":     {"GET", "/", "", 421, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil)
			request.Host = c.host
			answer := httptest.NewRecorder()
			server.Handler(true).ServeHTTP(answer, request)
			if answer.Code != c.status || !strings.Contains(answer.Body.String(), c.has) {
				t.Errorf("%d: %.200s", answer.Code, answer.Body)
			}
			head := answer.Header()
			if !strings.Contains(head.Get("Content-Security-Policy"), "frame-ancestors 'none'") || head.Get("X-Content-Type-Options") != "nosniff" || head.Get("Cache-Control") != "no-store" {
				t.Errorf("headers: %v", head)
			}
		})
	}
	answer := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	request.Host = "fleet.example"
	if server.Handler(false).ServeHTTP(answer, request); answer.Code != 200 {
		t.Errorf("on an outside address: %d", answer.Code)
	}
}

// broken is an archive that cannot be read.
type broken struct{ Archive }

func (broken) Sources(context.Context) ([]overview.Source, error) {
	return nil, errors.New("the disk at /secret is gone")
}

// TestHandlerWithoutAnArchive: no page is better than an old one, and why is not for readers.
func TestHandlerWithoutAnArchive(t *testing.T) {
	var told []error
	m := Maker{Archive: broken{}, Now: time.Now}
	answer := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	NewServer(m, func(err error) { told = append(told, err) }).Handler(false).ServeHTTP(answer, request)
	if answer.Code != 500 || strings.Contains(answer.Body.String(), "secret") || len(told) != 1 {
		t.Errorf("%d: %s; %v", answer.Code, answer.Body, told)
	}
}

// TestServe: it answers on a real socket, notices what is new within seconds, and ends with the context.
func TestServe(t *testing.T) {
	h := sample(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- NewServer(h.maker(), func(err error) { t.Error(err) }).Serve(ctx, l) }()
	first := get(t, "http://"+l.Addr().String()+"/fleet.json")
	h.now = h.now.Add(time.Second)
	if again := get(t, "http://"+l.Addr().String()+"/fleet.json"); again != first {
		t.Error("it was made twice within a second")
	}
	h.now = h.now.Add(24 * time.Hour)
	if later := get(t, "http://"+l.Addr().String()+"/fleet.json"); !strings.Contains(later, `{"state":"not heard from","sources":3}`) {
		t.Errorf("a day later: %.600s", later)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// slow is a reader that does not read until it is told to.
type slow struct {
	*httptest.ResponseRecorder
	wrote, read chan struct{}
}

func (s slow) Write(b []byte) (int, error) {
	close(s.wrote)
	<-s.read
	return s.ResponseRecorder.Write(b)
}

// TestASlowReaderKeepsNobodyWaiting: others are answered meanwhile.
func TestASlowReaderKeepsNobodyWaiting(t *testing.T) {
	handler := NewServer(newHub(t).maker(), func(err error) { t.Error(err) }).Handler(false)
	request := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	reader, done := slow{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}, make(chan struct{})
	go func() {
		handler.ServeHTTP(reader, request)
		close(done)
	}()
	<-reader.wrote
	answer := httptest.NewRecorder()
	if handler.ServeHTTP(answer, request); answer.Code != 200 {
		t.Errorf("%d", answer.Code)
	}
	close(reader.read)
	<-done
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, answer.Body); err != nil || answer.StatusCode != 200 {
		t.Fatalf("%s: %d, %v", url, answer.StatusCode, err)
	}
	return text.String()
}
