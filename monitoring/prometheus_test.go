package monitoring_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"stackpolicy/audit"
	"stackpolicy/enforce"
	"stackpolicy/finding"
	of "stackpolicy/fleet"
	"stackpolicy/fleet/overview"
	"stackpolicy/notify"
	"stackpolicy/report"
	"stackpolicy/report/fleet"
)

// TestRealPrometheus: a finding gets from the textfile through node_exporter and
// Prometheus, with the shipped rules, to Alertmanager; and so does its end.
func TestRealPrometheus(t *testing.T) {
	c := startChain(t)
	broken := reported(2, block("stack_running", "page"), block("links_resolve", "ticket"))
	c.write(t, broken, time.Time{})
	c.waitFor(t, "a page", "StackpolicyPage")
	for _, p := range parts() {
		for where, expr := range p.panelExpressions(t) {
			c.query(t, where, expr)
		}
	}
	c.write(t, reported(0), time.Time{})
	c.waitFor(t, "it is gone")
	c.write(t, reported(3), time.Now().Add(-31*time.Minute))
	c.waitFor(t, "no success for half an hour", "StackpolicyNoSuccess")
	c.write(t, reported(3), time.Now().Add(-29*time.Minute))
	c.waitFor(t, "no success for less")
	c.writeFleet(t, time.Minute, "")
	c.waitFor(t, "a fleet in which all is well")
	c.writeFleet(t, time.Hour, "there are two envelopes 7")
	c.waitFor(t, "one that is silent and forked", "StackpolicyFleetFork", "StackpolicyFleetSilent")
}

// writeFleet writes the metrics of a hub whose only source was heard from some time ago.
func (c chain) writeFleet(t *testing.T, age time.Duration, fork string) {
	t.Helper()
	now := time.Now()
	s := overview.Source{
		Source: of.Source{Org: "acme", Host: "den\" \\ \n", User: "ada"}, Enrolled: now.Add(-2 * time.Hour), Received: now.Add(-age), Newest: 1, Applied: 1, Fork: fork,
		Beat: of.Beat{Audited: now.Add(-age)},
	}
	err := notify.WriteTextfile(filepath.Join(c.folder, "fleet.prom"), func(w io.Writer) error {
		return fleet.WriteOpenMetrics(w, fleet.Input{Fleet: overview.Build([]overview.Source{s}, now)})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func reported(exit int, decisions ...finding.Finding) *audit.Report {
	return &audit.Report{
		Schema: audit.ReportSchema, CollectedAt: time.Now(), Mode: "observe", ExitCode: exit,
		Gaps: []audit.Gap{}, Decisions: decisions, Actions: []enforce.Action{},
	}
}

func block(invariant string, severity finding.Severity) finding.Finding {
	return finding.Finding{
		Invariant: invariant, Subject: "web.service", Effect: "block", Severity: severity, Message: "down", Evidence: map[string]any{},
	}
}

// chain is everything from the textfile to Alertmanager, on loopback.
type chain struct {
	folder                   string
	prometheus, alertmanager string // addresses
}

func startChain(t *testing.T) chain {
	t.Helper()
	prometheus := installed(t, "prometheus", "prometheus")
	exporter := installed(t, "prometheus-node-exporter", "prometheus-node-exporter")
	alertmanager := installed(t, "prometheus-alertmanager", "prometheus-alertmanager")
	work, node := t.TempDir(), freeAddress(t)
	c := chain{folder: t.TempDir(), prometheus: freeAddress(t), alertmanager: freeAddress(t)}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	settings := put(t, filepath.Join(work, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 500ms, evaluation_interval: 500ms}
rule_files: [%q]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs: [{job_name: node, static_configs: [{targets: [%q]}]}]
`, filepath.Join(here, "*.rules.yaml"), c.alertmanager, node))
	routes := put(t, filepath.Join(work, "alertmanager.yml"), "route: {receiver: none}\nreceivers: [{name: none}]\n")
	start(t, "http://"+node+"/", exporter, "--web.listen-address="+node, "--collector.disable-defaults",
		"--collector.textfile", "--collector.textfile.directory="+c.folder)
	start(t, "http://"+c.alertmanager+"/-/ready", alertmanager, "--config.file="+routes, "--storage.path="+work,
		"--web.listen-address="+c.alertmanager, "--cluster.listen-address=")
	start(t, "http://"+c.prometheus+"/-/ready", prometheus, "--config.file="+settings, "--storage.tsdb.path="+filepath.Join(work, "data"),
		"--web.listen-address="+c.prometheus, "--rules.alert.resend-delay=1s")
	return c
}

func (c chain) write(t *testing.T, r *audit.Report, success time.Time) {
	t.Helper()
	around := report.Around{User: "ada", LastSuccess: success, Waiting: map[string]int{"journal": 0}}
	err := notify.WriteTextfile(filepath.Join(c.folder, "stackpolicy.prom"), func(w io.Writer) error {
		return report.WriteOpenMetrics(w, r, report.Options{Around: around})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// waitFor waits until exactly these alerts are active in Alertmanager.
func (c chain) waitFor(t *testing.T, step string, want ...string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		var active []struct{ Labels map[string]string }
		getJSON(t, "http://"+c.alertmanager+"/api/v2/alerts?active=true", &active)
		var got []string
		for _, a := range active {
			got = append(got, a.Labels["alertname"])
		}
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: Alertmanager has %v, want %v", step, got, want)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// query asks Prometheus as a panel does. It fails if Prometheus cannot parse it.
func (c chain) query(t *testing.T, where, expr string) {
	t.Helper()
	var answer struct{ Status string }
	getJSON(t, "http://"+c.prometheus+"/api/v1/query?query="+url.QueryEscape(expr), &answer)
	if answer.Status != "success" {
		t.Errorf("%s: Prometheus answers %q to %s", where, answer.Status, expr)
	}
}

func getJSON(t *testing.T, from string, into any) {
	t.Helper()
	answer, err := http.Get(from)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", from, err)
	}
}

func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs a program until the test ends, and waits until it answers.
func start(t *testing.T, ready, program string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait(); log.Close() })
	deadline := time.Now().Add(30 * time.Second)
	for {
		answer, err := http.Get(ready)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready: %v\n%s", program, err, read(t, log.Name()))
		}
		time.Sleep(50 * time.Millisecond)
	}
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
