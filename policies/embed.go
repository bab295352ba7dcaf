// Package policies holds the built-in policies: the Rego rules, their runbooks
// and the operators' settings. There is no list of invariants: each is a folder below
// invariants/, and main.rego finds them all.
//
// To add an invariant, add invariants/<id>/<id>.rego with its METADATA,
// <id>_test.rego beside it, and the runbook <id>.md. A stock OPA checks and
// runs them:
//
//	opa check --strict policies
//	opa test policies
//	opa eval -d policies -i facts.json data.stackpolicy.findings
package policies

import "embed"

// FS holds main.rego, settings.yaml, lib and invariants, tests and runbooks
// included, at the paths they have in this folder.
//
//go:embed main.rego main_test.rego settings.yaml lib invariants
var FS embed.FS
