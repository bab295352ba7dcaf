// Package schemas holds the published JSON Schemas: facts.json and report.json
// are generated from the Go types (go test ./schemas -update), settings.json
// is written by hand. They stand apart from policies/ because OPA would load
// JSON there as data. With a stock OPA: opa check --strict -s schemas policies.
package schemas

import "embed"

// FS holds the schemas, by file name.
//
//go:embed *.json
var FS embed.FS
