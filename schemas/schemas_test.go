package schemas_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"stackpolicy/audit"
	"stackpolicy/drill"
	"stackpolicy/facts"
	"stackpolicy/fleet/overview"
	"stackpolicy/fleet/questions"
	"stackpolicy/gate"
	"stackpolicy/report/daily"
	report "stackpolicy/report/fleet"
	"stackpolicy/watch"
)

var update = flag.Bool("update", false, "write the schemas again")

// The published schemas are exactly those of the Go types.
func TestSchemasAreFresh(t *testing.T) {
	cases := []struct {
		file, id string
		of       reflect.Type
	}{
		{"v1/facts.json", facts.Schema, reflect.TypeFor[facts.Document]()},
		{"v1/report.json", audit.ReportSchema, reflect.TypeFor[audit.Report]()},
		{"v1/gate.json", gate.Schema, reflect.TypeFor[gate.Result]()},
		{"v1/drill.json", drill.Schema, reflect.TypeFor[drill.Result]()},
		{"v1/watch.json", watch.Schema, reflect.TypeFor[watch.Line]()},
		{"v1/status.json", daily.StatusSchema, reflect.TypeFor[daily.StatusDocument]()},
		{"v1/fleet.json", overview.Schema, reflect.TypeFor[overview.Fleet]()},
		{"v1/fleet-members.json", report.MembersSchema, reflect.TypeFor[report.Members]()},
		{"v1/fleet-verify.json", report.VerifySchema, reflect.TypeFor[report.Verified]()},
		{"v1/fleet-answers.json", questions.AnswersSchema, reflect.TypeFor[questions.Answers]()},
		{"v1/fleet-impact.json", questions.ImpactSchema, reflect.TypeFor[questions.Impact]()},
	}
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			want := generate(t, c.id, c.of)
			if *update {
				if err := os.WriteFile(c.file, want, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(c.file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what the types say; run: go test ./schemas -update", c.file)
			}
		})
	}
}

func generate(t *testing.T, id string, of reflect.Type) []byte {
	t.Helper()
	anything := map[reflect.Type]*jsonschema.Schema{reflect.TypeFor[json.RawMessage](): {}}
	s, err := jsonschema.ForType(of, &jsonschema.ForOptions{TypeSchemas: anything})
	if err != nil {
		t.Fatal(err)
	}
	neverNull(s)
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = id
	if named := s.Properties["schema"]; named != nil {
		var c any = id
		named.Const = &c
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// neverNull removes null from every type, except pointers that are always written:
// empty lists are written as [], and absent values are left out. So OPA's type checker
// knows each path exactly.
func neverNull(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	neverNull(s.Items)
	neverNull(s.AdditionalProperties)
	for name, p := range s.Properties {
		writtenAsNull := len(p.Types) == 2 && p.Types[1] != "array" && slices.Contains(s.Required, name)
		types := p.Types
		neverNull(p)
		if writtenAsNull {
			p.Type, p.Types = "", types
		}
	}
}
