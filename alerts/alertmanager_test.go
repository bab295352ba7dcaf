package alerts

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"stackpolicy/notify"
)

// group is what Alertmanager sends a receiver.
type group struct {
	Status string
	Alerts []struct {
		Status string
		Labels map[string]string
	}
}

// inbox is a receiver of Alertmanager's notifications.
type inbox struct {
	mu     sync.Mutex
	groups []group
}

func (b *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var g group
	if err := json.NewDecoder(r.Body).Decode(&g); err != nil {
		panic(err) // then the server does not answer, and waitFor fails
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.groups = append(b.groups, g)
}

// last returns the group that came last, in a few words.
func (b *inbox) last() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.groups) == 0 {
		return "nothing"
	}
	g := b.groups[len(b.groups)-1]
	var list []string
	for _, a := range g.Alerts {
		list = append(list, a.Status+" "+a.Labels["invariant"]+" "+a.Labels["unit"]+" "+a.Labels["severity"])
	}
	slices.Sort(list)
	return fmt.Sprint(g.Status, list)
}

func (b *inbox) waitFor(t *testing.T, step, want string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for b.last() != want {
		if time.Now().After(deadline) {
			t.Fatalf("%s: Alertmanager sent\n got %s\nwant %s", step, b.last(), want)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestRealAlertmanager: a real Alertmanager groups the alerts of audits by host,
// follows a change of severity, and resolves them.
func TestRealAlertmanager(t *testing.T) {
	box := &inbox{}
	url := alertmanager(t, box)
	all := notify.Selection{Severity: "ticket", Repeat: 10 * time.Minute}
	c := notify.Config{
		Journal:      notify.Journal{Selection: notify.Selection{Severity: notify.SeverityNone}},
		Alertmanager: &notify.Alertmanager{URL: url, Selection: all},
	}
	routes, err := c.Routes(notify.Environment{Client: notify.Client(), Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, routes...)
	h.now = time.Now().Add(-6 * time.Hour)
	step := func(name string, notices []Notice, want string) {
		t.Helper()
		if notices != nil {
			t.Errorf("%s: %v", name, notices)
		}
		box.waitFor(t, name, want)
	}
	other := down("ticket")
	other.Subject = "files.service"
	step("two findings, one group", h.audit(down("page"), other),
		"firing[firing stack_running files.service ticket firing stack_running web.service page]")
	step("one becomes a ticket", h.audit(down("ticket"), other),
		"firing[firing stack_running files.service ticket firing stack_running web.service ticket resolved stack_running web.service page]")
	if notices := h.audit(down("ticket")); notices != nil {
		t.Error(notices)
	}
	step("one stays gone", h.audit(down("ticket")),
		"firing[firing stack_running web.service ticket resolved stack_running files.service ticket]")
	if notices := h.audit(); notices != nil {
		t.Error(notices)
	}
	step("all stay gone", h.audit(), "resolved[resolved stack_running web.service ticket]")
}

// alertmanager starts a real one that notifies box, and returns its address.
func alertmanager(t *testing.T, box http.Handler) string {
	t.Helper()
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		t.Skip("prometheus-alertmanager is not installed; it is in Debian's package of that name")
	}
	receiver := httptest.NewServer(box)
	t.Cleanup(receiver.Close)
	folder, address := t.TempDir(), freeAddress(t)
	settings := fmt.Sprintf(`
route: {receiver: test, group_by: [host], group_wait: 500ms, group_interval: 500ms, repeat_interval: 1h}
receivers: [{name: test, webhook_configs: [{url: %q, send_resolved: true}]}]
`, receiver.URL)
	file := filepath.Join(folder, "alertmanager.yml")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, "--config.file="+file, "--storage.path="+folder,
		"--web.listen-address="+address, "--cluster.listen-address=")
	cmd.Stderr = &logged{t: t}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	ready(t, "http://"+address+"/-/ready")
	return "http://" + address
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func ready(t *testing.T, url string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		answer, err := http.Get(url)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready: %v", url, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// logged writes a program's log to the test's log.
type logged struct {
	t  *testing.T
	mu sync.Mutex
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.t.Context().Err() == nil {
		l.t.Logf("%s", p)
	}
	return len(p), nil
}
