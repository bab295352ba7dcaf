// Package schemas holds the published JSON Schemas, in v1/: settings.json is written by hand, all
// others are generated from the Go types (go test ./schemas -update). They are not in policies/, because OPA would load
// JSON there as data, and not beside this file, because a stock OPA reads every file
// of their folder: opa check --strict -s schemas/v1 policies.
package schemas

import (
	"embed"
	"io/fs"
)

//go:embed v1/*.json editor/*.json
var all embed.FS

// FS holds the files of v1/.
var FS = must(fs.Sub(all, "v1"))

// Editor holds the schemas of what people write in YAML: config.json, settings.json and
// metadata.json, which is that of a rule's METADATA. They are not in v1/, because OPA would
// read them there.
var Editor = must(fs.Sub(all, "editor"))

func must(f fs.FS, err error) fs.FS {
	if err != nil {
		panic(err) // the folder is embedded
	}
	return f
}
