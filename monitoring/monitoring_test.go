// Package monitoring_test tests the shipped Prometheus rules and the Grafana
// dashboards against the metrics there are, and against the programs that use
// them.
package monitoring_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"stackpolicy/report"
	"stackpolicy/report/fleet"
)

// part is the monitoring of a program: of a host, or of a hub.
type part struct {
	rules, tests, dashboard string
	metrics                 map[string][]string // labels by name
}

func parts() map[string]part {
	host, hub := map[string][]string{}, map[string][]string{}
	for _, m := range report.Metrics() {
		host[m.Name] = m.Labels
	}
	for _, m := range fleet.Metrics() {
		hub[m.Name] = m.Labels
	}
	return map[string]part{
		"host": {"prometheus.rules.yaml", "prometheus.rules.test.yaml", "grafana.json", host},
		"hub":  {"fleet.rules.yaml", "fleet.rules.test.yaml", "grafana-fleet.json", hub},
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// expressions returns the expressions of the rules, by alert.
func (p part) ruleExpressions(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(read(t, p.rules), &file); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all[r.Alert] = r.Expr
		}
	}
	return all
}

// panelExpressions returns the dashboard's expressions, by panel, with their
// variables filled in.
func (p part) panelExpressions(t *testing.T) map[string]string {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal(read(t, p.dashboard), &dashboard); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$instance", ".*", "$user", ".*", "$host", ".*")
	all := map[string]string{}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			all[fmt.Sprintf("%s %s", panel.Title, target.RefID)] = variables.Replace(target.Expr)
		}
	}
	return all
}

// TestEveryMetricIsWritten: rules and panels use only metrics that exist, and every
// metric is used. A misspelt metric would never alert.
func TestEveryMetricIsWritten(t *testing.T) {
	for name, p := range parts() {
		t.Run(name, p.everyMetricIsWritten)
	}
}

func (p part) everyMetricIsWritten(t *testing.T) {
	shown := map[string]bool{}
	names := regexp.MustCompile(`\bstackpolicy_[a-z_]+\b`)
	for of, expressions := range map[string]map[string]string{p.rules: p.ruleExpressions(t), p.dashboard: p.panelExpressions(t)} {
		if len(expressions) < 9 {
			t.Errorf("%s has only %d expressions", of, len(expressions))
		}
		for where, expr := range expressions {
			used := names.FindAllString(expr, -1)
			if len(used) == 0 {
				t.Errorf("%s, %s: no metric of ours in %s", of, where, expr)
			}
			for _, name := range used {
				shown[name] = true
				if _, is := p.metrics[name]; !is {
					t.Errorf("%s, %s: %s is not written", of, where, name)
				}
			}
		}
	}
	for name := range p.metrics {
		if !shown[name] {
			t.Errorf("nothing shows %s", name)
		}
	}
}

// TestLabelsAreWritten: a matcher of a label that does not exist matches nothing.
func TestLabelsAreWritten(t *testing.T) {
	for name, p := range parts() {
		t.Run(name, p.labelsAreWritten)
	}
}

func (p part) labelsAreWritten(t *testing.T) {
	known := []string{"instance", "user", "job"}
	for _, labels := range p.metrics {
		known = append(known, labels...)
	}
	matcher := regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	for _, expressions := range []map[string]string{p.ruleExpressions(t), p.panelExpressions(t)} {
		for where, expr := range expressions {
			for _, m := range matcher.FindAllStringSubmatch(expr, -1) {
				if !slices.Contains(known, m[1]) {
					t.Errorf("%s: no metric has the label %s", where, m[1])
				}
			}
		}
	}
}

func TestPromtool(t *testing.T) {
	promtool := installed(t, "promtool", "prometheus")
	for _, p := range parts() {
		for _, args := range [][]string{{"check", "rules", "--lint-fatal", p.rules}, {"test", "rules", p.tests}} {
			if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", args, err, out)
			}
		}
	}
}

func installed(t *testing.T, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed; it is in Debian's package %s", program, pkg)
	}
	return path
}
