// Package monitoring_test tests the shipped Prometheus rules and the Grafana
// dashboard against the metrics there are, and against the programs that use
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
)

const (
	rulesFile     = "prometheus.rules.yaml"
	dashboardFile = "grafana.json"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// expressions returns the expressions of the rules, by alert.
func ruleExpressions(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(read(t, rulesFile), &file); err != nil {
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
func panelExpressions(t *testing.T) map[string]string {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal(read(t, dashboardFile), &dashboard); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$instance", ".*", "$user", ".*")
	all := map[string]string{}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all[fmt.Sprintf("%s %s", p.Title, target.RefID)] = variables.Replace(target.Expr)
		}
	}
	return all
}

// TestEveryMetricIsWritten: rules and panels use only metrics that exist, and every
// metric is used. A misspelt metric would never alert.
func TestEveryMetricIsWritten(t *testing.T) {
	var written, shown []string
	for _, m := range report.Metrics() {
		written = append(written, m.Name)
	}
	names := regexp.MustCompile(`\bstackpolicy_[a-z_]+\b`)
	for of, expressions := range map[string]map[string]string{rulesFile: ruleExpressions(t), dashboardFile: panelExpressions(t)} {
		if len(expressions) < 9 {
			t.Errorf("%s has only %d expressions", of, len(expressions))
		}
		for where, expr := range expressions {
			used := names.FindAllString(expr, -1)
			shown = append(shown, used...)
			if len(used) == 0 {
				t.Errorf("%s, %s: no metric of ours in %s", of, where, expr)
			}
			for _, name := range used {
				if !slices.Contains(written, name) {
					t.Errorf("%s, %s: %s is not written", of, where, name)
				}
			}
		}
	}
	for _, name := range written {
		if !slices.Contains(shown, name) {
			t.Errorf("nothing shows %s", name)
		}
	}
}

// TestLabelsAreWritten: a matcher of a label that does not exist matches nothing.
func TestLabelsAreWritten(t *testing.T) {
	known := []string{"instance", "user", "job"}
	for _, m := range report.Metrics() {
		known = append(known, m.Labels...)
	}
	matcher := regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	for _, expressions := range []map[string]string{ruleExpressions(t), panelExpressions(t)} {
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
	for _, args := range [][]string{
		{"check", "rules", "--lint-fatal", rulesFile},
		{"test", "rules", "prometheus.rules.test.yaml"},
	} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
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
