package confined

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/decide/regotest"
	"stackpolicy/finding"
)

// The requests that a child answers.
const (
	doLoad   = "load"
	doFacts  = "facts" // a frame with the document follows
	doAsk    = "ask"   // the answer is a reply for each invariant, and one that is done
	doTest   = "test"
	doFormat = "format"
)

// request is a frame from the parent.
type request struct {
	Do     string
	Source policy.Source              `json:",omitzero"` // to load, test or format
	Limit  time.Duration              // of one rule, to load
	Local  map[string]json.RawMessage `json:",omitempty"` // schemas of the operator's own facts, to load
	Size   int                        // of the facts that follow
	IDs    []string                   // to ask
}

// reply is a frame from the child.
type reply struct {
	Done      bool
	Error     string           // why the request failed
	Problems  []policy.Problem `json:",omitzero"` // why the folder is refused
	NoTests   bool             `json:",omitzero"`
	Loaded    loaded           `json:",omitzero"`
	Report    regotest.Report  `json:",omitzero"`
	Formatted []policy.File    `json:",omitzero"`
	ID        string           // of the invariant that Findings and Error answer
	Findings  []wireFinding
	ReadTime  bool // they can be others at another time
}

// loaded has what the parent needs to know about the policies.
type loaded struct {
	Invariants []*policy.Invariant
	Settings   policy.Settings
	Digest     string
}

// wireFinding also has the action, which a finding's JSON leaves out.
type wireFinding struct {
	finding.Finding
	Action finding.Action
}

// failure returns the error in a reply, with the type that it had in the child.
func (r reply) failure(s policy.Source) error {
	switch {
	case len(r.Problems) > 0:
		refusal := s.NewRefusal()
		refusal.Problems = r.Problems
		return refusal
	case r.NoTests:
		return regotest.ErrNoTests
	case r.Error != "":
		return errors.New(r.Error)
	}
	return nil
}

// failed puts an error into a reply.
func failed(err error) reply {
	refusal := new(policy.Refusal)
	switch {
	case errors.As(err, &refusal):
		return reply{Done: true, Problems: refusal.Problems}
	case errors.Is(err, regotest.ErrNoTests):
		return reply{Done: true, NoTests: true}
	}
	return reply{Done: true, Error: err.Error()}
}

func answered(id string, a decide.Answer) reply {
	r := reply{ID: id, ReadTime: a.ReadTime}
	for _, f := range a.Findings {
		r.Findings = append(r.Findings, wireFinding{f, f.Action})
	}
	if a.Err != nil {
		r.Error = a.Err.Error()
	}
	return r
}

func (r reply) answer() decide.Answer {
	a := decide.Answer{ReadTime: r.ReadTime}
	for _, w := range r.Findings {
		w.Finding.Action = w.Action
		a.Findings = append(a.Findings, w.Finding)
	}
	if r.Error != "" {
		a.Err = errors.New(r.Error)
	}
	return a
}

// decodeReply keeps numbers as they were written, because evidence may have any number.
func decodeReply(frame []byte) (r reply, err error) {
	decoder := json.NewDecoder(bytes.NewReader(frame))
	decoder.UseNumber()
	if err := decoder.Decode(&r); err != nil {
		return r, fmt.Errorf("read what the rules' process says: %w", err)
	}
	return r, nil
}
