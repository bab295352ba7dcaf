package facts

import "time"

// LocalFact is a file in the folder facts.d of the configuration: the operator's own facts,
// written for example by a backup script.
type LocalFact struct {
	ChangedAt time.Time `json:"changed_at" jsonschema:"modification time of the file"`
	Data      any       `json:"data" jsonschema:"content of the file"`
}
