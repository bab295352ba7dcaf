package schemas_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"stackpolicy/audit"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/gate"
	"stackpolicy/policies"
)

// Documents match the published schemas. The validator is a library that knows neither
// the generator of the schemas nor the Go types.
func TestDocumentsAndReportsFitTheirSchemas(t *testing.T) {
	files, err := filepath.Glob("../testdata/facts/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded documents: %v", err)
	}
	rules, err := decide.Load(t.Context(), policies.FS, decide.Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	document, report, gated := compiled(t, "v1/facts.json"), compiled(t, "v1/report.json"), compiled(t, "v1/gate.json")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := facts.Read(file, bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			fits(t, document, doc)
			result, err := audit.Audit{
				Source: audit.Recorded(func() (*facts.Document, error) { return doc, nil }),
				Load:   func(context.Context) (*decide.Policies, error) { return rules, nil },
			}.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r := result.Report
			fits(t, report, r)
			none := gate.Observation{Report: &audit.Report{}, Document: &facts.Document{}}
			now := gate.Observation{Report: r, Document: doc}
			for _, c := range []gate.Comparison{gate.Compare(none, now), gate.Compare(now, none), gate.Compare(now, now)} {
				fits(t, gated, gate.Result{Schema: gate.Schema, Waiting: gate.Unsettled(doc), Comparison: c})
			}
			for i := range r.Decisions {
				r.Decisions[i].Waiver = &finding.Waiver{Reason: "moves", Owner: "ada", Until: r.CollectedAt}
			}
			fits(t, report, r)
		})
	}
}

// A document of another shape is refused, so the test above can fail.
func TestASchemaRefusesAnotherShape(t *testing.T) {
	cases := map[string]struct{ schema, value string }{
		"a list that is null":   {"v1/report.json", `{"gaps": null}`},
		"a report of no schema": {"v1/report.json", `{}`},
		"a document of units":   {"v1/facts.json", `{"units": {}}`},
		"members of no fleet":   {"v1/fleet-members.json", `{"schema": "stackpolicy.fleet/v1", "members": []}`},
		"members and more":      {"v1/fleet-members.json", `{"schema": "stackpolicy.fleet-members/v1", "members": [], "more": 1}`},
		"chains that are null":  {"v1/fleet-verify.json", `{"schema": "stackpolicy.fleet-verify/v1", "chains": null}`},
		"an impact of one host": {"v1/fleet-impact.json", `{"schema": "stackpolicy.impact/v1", "since": "2026-03-01T12:00:00Z"}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if err := compiled(t, c.schema).Validate(decoded(t, []byte(c.value))); err == nil {
				t.Error("it was accepted")
			}
		})
	}
}

func compiled(t *testing.T, file string) *jsonschema.Schema {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(file, decoded(t, content)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fits(t *testing.T, schema *jsonschema.Schema, value any) {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(decoded(t, content)); err != nil {
		t.Error(err)
	}
}

func decoded(t *testing.T, content []byte) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return value
}
