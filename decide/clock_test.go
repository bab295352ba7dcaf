package decide

import (
	"strings"
	"testing"

	"stackpolicy/decide/internal/fixture"
)

// An evaluation tells whether it read the time, in each way to write that. Another one, for
// which no rule got as far as that, did not.
func TestReadTime(t *testing.T) {
	for body, functions := range map[string]string{
		`input.collected_at != "x"`:                       "",
		`startswith(input.collected_at, "2")`:             "",
		`x := input; x.collected_at != "x"`:               "",
		`input["collected_at"] != "x"`:                    "",
		`count([1 | input.collected_at]) == 1`:            "",
		`not input.collected_at == "x"`:                   "",
		`late(input.collected_at)`:                        "late(at) if at > \"1\"",
		`late`:                                            "late if { y := input.collected_at; y > \"1\" }",
		`late == 2`:                                       "late := 1 if input.collected_at == \"x\" else := 2",
		`every at in [input.collected_at] { at != "x" }`:  "",
		`some key in ["collected_at"]; input[key] != "x"`: "",
	} {
		rule := strings.Replace(fixture.Rule, `unit.loaded.load_state != "loaded"`, `unit.loaded.load_state == "error"; `+body, 1)
		p := load(t, fixture.WithRule(rule+"\n"+functions+"\n"), Options{Trusted: true})
		for state, want := range map[string]bool{"loaded": false, "error": true} {
			doc, read, found := document("a.service"), false, 0
			doc.Units[0].Loaded.LoadState = state
			p.Evaluate(t.Context(), doc, []string{"loaded"}, func(_ string, a Answer) {
				read, found = a.ReadTime, len(a.Findings)
				if a.Err != nil {
					t.Error(a.Err)
				}
			})
			if mayRead := strings.Contains(body, "input[key]") || strings.Contains(body, `== "x"`) || strings.Contains(functions, `== "x"`) || strings.Contains(body, "x := input"); read != want && !(mayRead && read) {
				t.Errorf("%s: of a unit that is %s, it says that it read the time: %t", body, state, read)
			}
			if (found == 1) != want {
				t.Errorf("%s: of a unit that is %s, there are %d findings", body, state, found)
			}
		}
	}
}
