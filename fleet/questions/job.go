// Package questions asks the memories of a fleet: what other rules would have changed, and what a
// query says of the newest facts. The shards of the archive are work that any number of workers
// takes from a queue at the broker; their answers are added up.
//
// Start at [Asking] and [Work].
package questions

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/fleet"
	"stackpolicy/replay"
)

// Job is a question.
type Job struct {
	ID string `json:"id"`
	// Since is how far back; of an impact.
	Since time.Time `json:"since,omitzero"`
	// Rules are those that are tried, whole; nil for a query.
	Rules []policy.File `json:"rules,omitempty"`
	// Query is one in Rego of the newest document; "" for an impact.
	Query string `json:"query,omitempty"`
}

// work is a shard of a job, as it is in the queue.
type work struct {
	Job   string `json:"job"`
	Shard int    `json:"shard"`
}

// answer is what a worker says: of one source, or that a shard is done.
type answer struct {
	Shard   int           `json:"shard"`
	Worker  string        `json:"worker"`
	Try     string        `json:"try"`               // a shard may be done twice: the answers of one try count
	Impact  *SourceImpact `json:"impact,omitempty"`  // of one source
	Answer  *SourceAnswer `json:"answer,omitempty"`  // of one source
	Done    bool          `json:"done,omitempty"`    // the shard is: so many answers came before
	Count   int           `json:"count,omitempty"`   // of answers, if it is done
	Problem string        `json:"problem,omitempty"` // why the shard cannot be done
}

// SourceAnswer is what a query says of one source.
type SourceAnswer struct {
	fleet.Source
	Key     string            `json:"key"` // fingerprint
	At      time.Time         `json:"at"`  // of the document
	Error   string            `json:"error,omitempty"`
	Answers []json.RawMessage `json:"answers"` // none: the query does not hold
}

// Limits of messages, packed and unpacked.
const (
	maxMessage  = 900_000
	maxUnpacked = 64 << 20
)

// errTooLarge means that something has no room in a message.
var errTooLarge = errors.New("it is too large for a message of the broker")

func pack(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a question: %w", err)
	}
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.DefaultCompression) // the level is valid
	_, err1 := w.Write(text)
	if err := errors.Join(err1, w.Close()); err != nil {
		return nil, fmt.Errorf("encode a question: %w", err)
	}
	if out.Len() > maxMessage {
		return nil, fmt.Errorf("%w: %d bytes", errTooLarge, out.Len())
	}
	return out.Bytes(), nil
}

func unpack(data []byte, v any) error {
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), maxUnpacked))
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return fmt.Errorf("decode a question: %w", err)
	}
	return nil
}

// shortened returns an impact without its lists, for a source at which too much would have changed
// for a message.
func shortened(s SourceImpact) SourceImpact {
	s.Error = "more would have changed than can be told: ask for less with --since"
	s.Impact = replay.Impact{Schema: s.Impact.Schema, Since: s.Impact.Since, Until: s.Impact.Until, Audits: s.Impact.Audits}
	return s
}
