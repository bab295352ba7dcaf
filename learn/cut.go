package learn

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// always are the keys of a document that stay in each fixture.
var always = []string{"schema", "collected_at"}

// plain returns a document as JSON values.
func plain(doc *facts.Document) (map[string]any, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return out, d.Decode(&out)
}

// cut returns the document with the subject's unit alone, or all managed units without one,
// and with the keys that rules about the subject read.
func cut(doc map[string]any, o Options, invariants []policy.Invariant, found []finding.Finding) map[string]any {
	keys := slices.Clone(always)
	for _, inv := range invariants {
		gave := slices.ContainsFunc(found, func(f finding.Finding) bool { return f.Invariant == inv.ID })
		if !gave && o.Subject != "" && inv.Scope.PerUnit() == (o.Subject == finding.Host) {
			continue
		}
		if inv.Scope.Whole {
			keys = append(keys, slices.Collect(maps.Keys(doc))...)
		}
		keys = append(keys, inv.Scope.Keys...)
	}
	out := map[string]any{}
	for _, key := range keys {
		if key != "units" {
			keep(out, doc, strings.Split(key, "."))
		}
	}
	units, _ := doc["units"].([]any)
	out["units"] = slices.DeleteFunc(slices.Clone(units), func(u any) bool {
		unit, _ := u.(map[string]any)
		return o.Subject != "" && o.Subject != finding.Host && unit["name"] != o.Subject || unit["managed_by"] == "" && unit["name"] != o.Subject
	})
	return out
}

// keep copies the value at a path. What is no object is copied as a whole.
func keep(to, from map[string]any, path []string) {
	value, has := from[path[0]]
	if !has {
		return
	}
	inner, isObject := value.(map[string]any)
	if len(path) == 1 || !isObject {
		to[path[0]] = value
		return
	}
	below, _ := to[path[0]].(map[string]any)
	switch {
	case below == nil:
		below = map[string]any{}
	case len(below) == len(inner): // it was kept as a whole
		return
	}
	keep(below, inner, path[1:])
	to[path[0]] = below
}

func (o Options) isOfHost() bool { return o.Subject == "" || o.Subject == finding.Host }
