package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"stackpolicy/schemas"
)

// writesBySchema wants that the JSON of each verb, of a hub with evidence, fits the published
// schema.
func writesBySchema(hub terminal) {
	t := hub.t
	t.Helper()
	settings := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(settings, []byte("settings: {decide: [{invariant: user_manager_running, units: [host], severity: ticket}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, args := range map[string][]string{
		"fleet.json":         {"stackfleet", "status"},
		"fleet-members.json": {"stackfleet", "members"},
		"fleet-verify.json":  {"stackfleet", "verify"},
		"fleet-answers.json": {"stackfleet", "ask", "input.units"},
		"fleet-impact.json":  {"stackfleet", "impact", "--settings", settings},
	} {
		out, err := hub.command(append(args, "-o", "json")...).Output() // an exit status may be that of the hosts
		value, unread := jsonschema.UnmarshalJSON(bytes.NewReader(out))
		if unread != nil {
			t.Errorf("%q: %v, %v\n%s", args, err, unread, out)
			continue
		}
		if err := schema(t, file).Validate(value); err != nil {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
}

// schema compiles a published schema.
func schema(t *testing.T, file string) *jsonschema.Schema {
	t.Helper()
	text, err := schemas.FS.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	value, err := jsonschema.UnmarshalJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(file, value); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
