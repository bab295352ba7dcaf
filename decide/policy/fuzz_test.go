package policy

import (
	"regexp"
	"testing"
	"testing/fstest"
	"time"
)

// lineEnd is what YAML takes for the end of a line (YAML 1.1, 4.1.4), and with it what Rego does.
var lineEnd = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

// FuzzFolder: a rule and settings are read, or refused with a file and a line that exist.
func FuzzFolder(f *testing.F) {
	const rule = `# METADATA
# title: a
# description: b
# schemas:
#   - input: schema.facts
# custom: {class: host, severity: page, needs: [host], runbook: x.md}
package stackpolicy.invariants.x

finding contains {"subject": "host"} if input.host.linger == false
`
	f.Add([]byte(rule), []byte("restart: [\"lab-*\"]\nwaivers: [{invariant: x, units: [host], reason: x, owner: y, until: 2026-03-01T00:00:00Z}]\n"))
	f.Add([]byte("package stackpolicy.invariants.x\n\nx := http.send({})\n"), []byte("grace: {default: 30m}\nbudget: {window: 1h, unit: 3, host: 6}\n"))
	f.Fuzz(func(t *testing.T, rule, settings []byte) {
		files := fstest.MapFS{
			"main.rego":           {Data: []byte("package stackpolicy\n")},
			"settings.yaml":       {Data: settings},
			"invariants/x/x.rego": {Data: rule},
			"invariants/x/x.md":   {Data: []byte("# x\n\n## What it means\nx\n")},
		}
		began := time.Now()
		folder := Read(files, "rules")
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
		for _, p := range folder.Refusal.Problems {
			file, known := files[p.File]
			if p.Text == "" || p.File != "" && !known || known && p.Line > len(lineEnd.FindAll(file.Data, -1))+1 {
				t.Errorf("%+v", p)
			}
		}
		if folder.Refusal.Err() == nil && (len(folder.Invariants) != 1 || folder.Invariants[0].ID != "x") {
			t.Errorf("no problem, and invariants %+v", folder.Invariants)
		}
	})
}
