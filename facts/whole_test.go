package facts

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// A key that every document has is missed wherever it is; one that may be absent is not, and
// nothing is asked of the operator's own facts.
func TestMissing(t *testing.T) {
	type leaf struct {
		Name string   `json:"name"`
		List []string `json:"list"`
		Note string   `json:"note,omitempty"`
	}
	type tree struct {
		Leaf  leaf            `json:"leaf"`
		Maybe *leaf           `json:"maybe,omitempty"`
		ByKey map[string]leaf `json:"by_key"`
		Own   any             `json:"own"`
	}
	const whole = `{"leaf":{"name":"a","list":[]},"maybe":{"name":"b","list":["x"]},"by_key":{"k":{"name":"c","list":[]}},"own":{"anything":[null]}}`
	for name, c := range map[string]struct{ old, new, want string }{
		"nothing":                     {"", "", ""},
		"what may be absent":          {`"maybe":{"name":"b","list":["x"]},`, "", ""},
		"a text":                      {`"name":"a",`, "", ".leaf.name"},
		"a list":                      {`{"name":"a","list":[]}`, `{"name":"a"}`, ".leaf.list"},
		"a list that is null":         {`{"name":"a","list":[]}`, `{"name":"a","list":null}`, ".leaf.list"},
		"below what may be absent":    {`{"name":"b","list":["x"]}`, `{"list":["x"]}`, ".maybe.name"},
		"below a key":                 {`{"name":"c","list":[]}`, `{"name":"c"}`, ".by_key.k.list"},
		"a mapping":                   {`"by_key":{"k":{"name":"c","list":[]}},`, "", ".by_key"},
		"a mapping that is null":      {`{"k":{"name":"c","list":[]}}`, "null", ".by_key"},
		"an empty mapping is there":   {`{"k":{"name":"c","list":[]}}`, "{}", ""},
		"the operator's may be null":  {`{"anything":[null]}`, "null", ""},
		"the operator's is not there": {`,"own":{"anything":[null]}`, "", ".own"},
	} {
		text := strings.Replace(whole, c.old, c.new, 1)
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := missing(value, reflect.TypeFor[*tree]()); got != c.want {
			t.Errorf("%s: %q is missing, want %q", name, got, c.want)
		}
	}
}

// A document of this program is read by another part of it although lists are null: it did
// not come from outside.
func TestDecode(t *testing.T) {
	const text = `{"schema":"stackpolicy.facts/v1","collected_at":"2026-01-02T03:04:05Z","collectors":{},"units":[{"name":"a.service","files":null}]}`
	doc, err := Decode([]byte(text))
	if err != nil || len(doc.Units) != 1 || doc.Units[0].Name != "a.service" {
		t.Errorf("%+v, %v", doc, err)
	}
	for name, bad := range map[string]string{
		"another version": strings.Replace(text, "v1", "v2", 1),
		"an unknown key":  strings.Replace(text, `"name"`, `"nmae"`, 1),
		"cut off":         text[:len(text)-4],
	} {
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func TestKindsOfFiles(t *testing.T) {
	for state, want := range map[string]bool{
		StateDeclared: true, StateIdentical: true, StateGenerated: true,
		StateUndeclared: false, StateDifferent: false, StateMissing: false, "": false,
	} {
		if got := (File{State: state}).IsTrusted(); got != want {
			t.Errorf("a file in state %q is trusted: %v", state, got)
		}
	}
	for role, want := range map[string]bool{
		RoleOwnWants: true, RoleOwnRequires: true, RoleOwnUpholds: true, RoleFragment: false, RoleDropIn: false, "wants": false,
	} {
		if got := (File{Role: role}).IsOwnLink(); got != want {
			t.Errorf("a file of role %q is a link of the unit's own: %v", role, got)
		}
	}
	news := ManagerFile{Effective: true, ChangedAfterLoad: true, Origin: OriginUndeclared}
	for name, c := range map[string]struct {
		change func(*ManagerFile)
		want   bool
	}{
		"undeclared":                 {func(*ManagerFile) {}, true},
		"others can change it":       {func(f *ManagerFile) { f.Origin = OriginUnsafe }, true},
		"the system's":               {func(f *ManagerFile) { f.Origin = OriginDistribution }, false},
		"read already":               {func(f *ManagerFile) { f.ChangedAfterLoad = false }, false},
		"another one replaces it":    {func(f *ManagerFile) { f.Effective = false }, false},
		"what is declared is no new": {func(f *ManagerFile) { f.Origin = "declared" }, false},
	} {
		f := news
		c.change(&f)
		if got := f.IsNews(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
