package report

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"stackpolicy/audit"
	"stackpolicy/finding"
)

// around has everything that metrics need beyond a report.
func around() Around {
	return Around{
		User: "alice", LastSuccess: time.Date(2026, 3, 1, 1, 0, 0, 0, time.UTC), Duration: 210 * time.Millisecond,
		Waiting: map[string]int{"alertmanager": 0, "webhook:ntfy": 3}, Dropped: map[string]int{"webhook:ntfy": 1},
	}
}

func openMetrics(t *testing.T, r *audit.Report, a Around) string {
	t.Helper()
	var out bytes.Buffer
	if err := WriteOpenMetrics(&out, r, Options{Around: a}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestOpenMetrics(t *testing.T) {
	silent := reported(3)
	silent.Gaps = []audit.Gap{{Collector: "config", Error: "no unit is managed"}, {Collector: "config", Error: "twice"}}
	for name, r := range map[string]*audit.Report{"fine": fine(), "broken": broken(), "acted": acted(), "silent": silent, "hostile": hostile()} {
		t.Run(name, func(t *testing.T) {
			got := openMetrics(t, r, around())
			golden(t, name+".prom", []byte(got))
			wellFormed(t, got)
		})
	}
}

// sampleLine is a sample as both formats have it, without a timestamp, which
// the textfile collector refuses.
var sampleLine = regexp.MustCompile(`^([a-z_]+(?:\{[a-z]+="(?:[^"\\]|\\[\\"])*"(?:,[a-z]+="(?:[^"\\]|\\[\\"])*")*\})?) [0-9.]+$`)

func wellFormed(t *testing.T, text string) {
	t.Helper()
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		m := sampleLine.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "# "):
		case m == nil:
			t.Errorf("no sample: %q", line)
		case seen[m[1]]:
			t.Errorf("there twice: %s", m[1])
		default:
			seen[m[1]] = true
		}
	}
	if !strings.HasSuffix(text, "\n# EOF\n") {
		t.Error("it does not end in # EOF")
	}
}

func TestLastSuccess(t *testing.T) {
	before := time.Date(2026, 3, 1, 1, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		exit   int
		before time.Time
		want   string
	}{
		"ok":                          {0, before, "1772330400"},
		"a page is a success of ours": {2, before, "1772330400"},
		"could not look":              {3, before, "1772326800"},
		"never":                       {3, time.Time{}, "0"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := openMetrics(t, reported(c.exit), Around{LastSuccess: c.before})
			if want := "\nstackpolicy_last_success_timestamp_seconds " + c.want + "\n"; !strings.Contains(got, want) {
				t.Errorf("lacks %q:\n%s", want, got)
			}
		})
	}
}

func TestWaivedAndHealedAreNoMetrics(t *testing.T) {
	waived := blocked("file_declared", "web.service", "page", "gone")
	waived.Waiver = &finding.Waiver{Reason: "known", Until: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}
	got := openMetrics(t, reported(0, waived, toHeal("web.service", finding.Healed)), Around{})
	if strings.Contains(got, "stackpolicy_finding{") || !strings.Contains(got, "\nstackpolicy_findings{severity=\"page\"} 0\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestMetricsAreBounded(t *testing.T) {
	r := reported(2)
	for i := range maxFindings + 10 {
		r.Decisions = append(r.Decisions, blocked("file_declared", fmt.Sprintf("u%04d.service", i), "ticket", "x"))
	}
	r.Decisions = append(r.Decisions, blocked("file_declared", "z.service", "page", "x"))
	got := openMetrics(t, r, Around{})
	if n := strings.Count(got, "\nstackpolicy_finding{"); n != maxFindings {
		t.Errorf("%d findings, want %d", n, maxFindings)
	}
	for _, want := range []string{`subject="z.service",severity="page"`, `stackpolicy_findings{severity="ticket"} 1010`} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %s", want)
		}
	}
}

// installed finds a program that Debian packages, or skips.
func installed(t *testing.T, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed; it is in Debian's package %s", program, pkg)
	}
	return path
}

// TestPromtoolTakesTheMetrics: parses, and finds nothing amiss with the names.
func TestPromtoolTakesTheMetrics(t *testing.T) {
	promtool := installed(t, "promtool", "prometheus")
	for name, r := range map[string]*audit.Report{"broken": broken(), "acted": acted(), "hostile": hostile()} {
		check := exec.Command(promtool, "check", "metrics")
		check.Stdin = strings.NewReader(openMetrics(t, r, around()))
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestNodeExporterServesTheMetrics: two users' files at once, one of them with
// hostile names, and every sample comes out again.
func TestNodeExporterServesTheMetrics(t *testing.T) {
	program := installed(t, "prometheus-node-exporter", "prometheus-node-exporter")
	folder := t.TempDir()
	bob := around()
	bob.User = "bob"
	files := map[string]string{"alice.prom": openMetrics(t, hostile(), around()), "bob.prom": openMetrics(t, acted(), bob)}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	address := freeAddress(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	node := exec.CommandContext(ctx, program, "--web.listen-address="+address, "--collector.disable-defaults",
		"--collector.textfile", "--collector.textfile.directory="+folder)
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = node.Wait() }()
	served := scrape(ctx, t, "http://"+address+"/metrics")
	if !strings.Contains(served, "\nnode_textfile_scrape_error 0\n") {
		t.Error("node_exporter could not read it")
	}
	for name, text := range files {
		if want, got := strings.Count(text, "\nstackpolicy_finding{"), countOf(served, name); got != want || want == 0 {
			t.Errorf("%s: %d findings come out, want %d", name, got, want)
		}
	}
}

func countOf(served, file string) int {
	user := strings.TrimSuffix(file, ".prom")
	return len(regexp.MustCompile(`(?m)^stackpolicy_finding\{.*user="`+user+`"\} 1$`).FindAllString(served, -1))
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

// scrape asks until there is an answer or time is up.
func scrape(ctx context.Context, t *testing.T, url string) string {
	t.Helper()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Fatalf("%s answers %d, %v", url, answer.StatusCode, err)
			}
			return string(text)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no answer of %s: %v", url, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
