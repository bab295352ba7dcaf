package report

import (
	"io"

	"stackpolicy/decide/policy"
	"stackpolicy/finding"
)

// InvariantsSchema names the JSON that lists invariants.
const InvariantsSchema = "stackpolicy.invariants/v1"

type invariantJSON struct {
	ID          string            `json:"id"`
	Title       string            `json:"title"`
	Description string            `json:"description"`
	Class       finding.Class     `json:"class"`
	Severity    finding.Severity  `json:"severity"` // unless a finding says otherwise
	Needs       []string          `json:"needs"`
	Actions     []finding.Action  `json:"actions"`
	Origin      policy.Provenance `json:"origin,omitempty"`
	Builtin     policy.Since      `json:"builtin,omitempty"` // of one that replaces a built-in one: whether that has changed since
	Scope       string            `json:"scope"`             // unit: decided for each unit alone; host: for all together
	File        string            `json:"file"`              // relative to the policy folder
	Line        int               `json:"line"`
}

func writeInvariantsJSON(w io.Writer, in Invariants) error {
	list := make([]invariantJSON, len(in.List))
	for i, x := range in.List {
		list[i] = invariantOf(x)
		origin := in.Origins.ByID[x.ID]
		list[i].Origin, list[i].Builtin = origin.From, origin.Since
	}
	return JSON(w, struct {
		Schema     string          `json:"schema"`
		Invariants []invariantJSON `json:"invariants"`
		Missing    []string        `json:"missing"` // built-in invariants that the folder does not have
	}{InvariantsSchema, list, append([]string{}, in.Origins.Missing...)})
}

func invariantOf(x policy.Invariant) invariantJSON {
	return invariantJSON{
		ID: x.ID, Title: x.Title, Description: x.Description, Class: x.Class, Severity: x.Severity,
		Needs: append([]string{}, x.Needs...), Actions: append([]finding.Action{}, x.Actions...), Scope: x.Scope.String(), File: x.File, Line: x.Line,
	}
}
