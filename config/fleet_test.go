package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFleet(t *testing.T) {
	c, err := parse([]byte("fleet: {channel: stable, labels: {role: canary, site: b-1}, registry: registry.example.org/rules/home}"))
	want := Fleet{Channel: "stable", Labels: map[string]string{"role": "canary", "site": "b-1"}, Registry: "registry.example.org/rules/home"}
	if d := cmp.Diff(want, c.Fleet); err != nil || d != "" {
		t.Errorf("%v: %s", err, d)
	}
	for content, want := range map[string]string{
		"fleet: {channel: Stable}":              `fleet.channel: "Stable" is no channel`,
		"fleet: {channel: ../x}":                `fleet.channel: "../x" is no channel`,
		"fleet: {labels: {a b: c}}":             "fleet.labels.a b",
		"fleet: {labels: {role: ''}}":           `fleet.labels.role: "" is no label`,
		"fleet: {registry: home}":               `fleet.registry: "home" is no reference`,
		"fleet: {registry: https://r.example/}": "fleet.registry",
		"fleet: {chanel: stable}":               "did you mean channel?",
	} {
		if _, err := parse([]byte(content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", content, err, want)
		}
	}
}
