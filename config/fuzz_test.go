package config

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzParse: a configuration is read or refused. What is read has what the programs count on.
func FuzzParse(f *testing.F) {
	f.Add([]byte("units: [web.service, \"db@*.service\"]\nstacks:\n  web:\n    unit: web.service\n    compose: [/a/compose.yaml]\n    verify: {timeout: 90s}\n    probes: [{http: \"http://localhost:8080/\", status: 200, within: 2s}]\n"))
	f.Add([]byte("holds: [{unit: web.service, until: 2026-03-01T00:00:00Z, reason: move, owner: ada}]\nalerts: {webhooks: [{name: a, url: {file: /a}}]}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	if examples, err := filepath.Glob("../testdata/config/*.yaml"); err == nil {
		for _, path := range examples {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parse(text)
		if err != nil {
			return
		}
		for name, s := range c.Stacks {
			if s.Unit == "" || s.Apply.Timeout <= 0 || s.Verify.Timeout <= 0 {
				t.Errorf("stack %q: %+v", name, s)
			}
		}
	})
}
