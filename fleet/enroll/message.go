package enroll

import (
	"encoding/json"
	"errors"
	"fmt"

	"stackpolicy/fleet"
)

// Request is what a host says of itself. It is signed by the key of its evidence.
type Request struct {
	User       string          `json:"user"`
	Key        fleet.PublicKey `json:"key"`        // of its evidence
	Connection string          `json:"connection"` // public nkey
	Hostname   string          `json:"hostname"`   // what the machine calls itself
	Program    string          `json:"program"`
	Boot       string          `json:"boot"` // id of the boot; "" is not known
	Done       bool            `json:"done"` // it has the answer on its disk
}

// Kinds of statements that only an enrolment has.
const (
	requestKind fleet.Kind = "enrolment-request" // signed by the host
	answerKind  fleet.Kind = "enrolment-answer"  // signed by the registry
)

// Limits of what comes from the other side.
const (
	maxMessage = 64 << 10
	maxWords   = 255 // bytes of what a host says of itself
)

// asked is how a request is sent. The user and the key say how to open it.
type asked struct {
	User   string          `json:"user"`
	Key    fleet.PublicKey `json:"key"`
	Signed []byte          `json:"signed"`
}

// answer is what the hub says: exactly one of the three.
type answer struct {
	Waits   bool   `json:"waits,omitempty"`   // for the operator: ask again
	Refused string `json:"refused,omitempty"` // why
	Signed  []byte `json:"signed,omitempty"`  // of a membership
}

// membership is what a host gets, signed for its source. The identity says for which keys.
type membership struct {
	Member   Member         `json:"member"`
	Identity fleet.Identity `json:"identity"`
}

// seal signs a request as the source that it will be.
func (r Request) seal(key fleet.Key, s fleet.Source) ([]byte, error) {
	signed, err := key.Sign(requestKind, s, r)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(asked{r.User, r.Key, signed})
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return data, nil
}

// openRequest reads a request of a host of an organisation. It is signed by the key that it
// names: nobody gets another's key enrolled.
func openRequest(data []byte, org, host string) (r Request, s fleet.Source, err error) {
	var a asked
	if len(data) > maxMessage {
		return r, s, errors.New("the request is too long")
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return r, s, fmt.Errorf("read the request: %w", err)
	}
	s = fleet.Source{Org: org, Host: host, User: a.User}
	if err := fleet.OpenStatement(requestKind, s, a.Signed, a.Key, &r); err != nil {
		return Request{}, s, fmt.Errorf("read the request: %w", err)
	}
	if len(r.Hostname) > maxWords || len(r.Program) > maxWords || len(r.Boot) > maxWords || len(r.Connection) > maxWords {
		return Request{}, s, errors.New("the request has words that are too long")
	}
	if r.User != a.User || !equal(r.Key, a.Key) {
		return Request{}, s, errors.New("the request is about another account or key than it is signed for")
	}
	return r, s, nil
}

func equal(a, b fleet.PublicKey) bool { return string(a) == string(b) }
