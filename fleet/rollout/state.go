package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/release"
	"stackpolicy/internal/regularfile"
)

// State is what a host remembers of its releases. The link to the active release is not in it:
// it alone says which rules decide.
type State struct {
	Channel string       `json:"channel"`
	Newest  release.Plan `json:"newest"`            // that was verified; the zero value is none yet
	Asked   time.Time    `json:"asked"`             // the last pull, whatever came of it; zero is never
	Pulled  time.Time    `json:"pulled"`            // the last time that the source answered; zero is never
	Problem *Problem     `json:"problem,omitempty"` // of the last pull; nil is none

	// Unchecked: nobody has checked the rules of the candidate yet, and Checks is how often
	// somebody began to.
	Unchecked bool `json:"unchecked,omitempty"`
	Checks    int  `json:"checks,omitempty"`

	Candidate string        `json:"candidate,omitempty"` // the slot of the release in shadow
	Shadow    *fleet.Shadow `json:"shadow,omitempty"`    // what it did so far
	NewPages  []string      `json:"new_pages,omitempty"` // identities of findings, of which Shadow has the number

	// Trial counts the audits of a release since it became active, until there are enough.
	Trial *Trial `json:"trial,omitempty"`

	// Refused are releases that this host does not use, and why.
	Refused []Refusal `json:"refused,omitempty"`
}

// Problem is why a host is not on the newest release, or does not know it.
type Problem struct {
	Kind  string    `json:"kind"` // as in facts.ReleaseProblem
	Text  string    `json:"text"`
	Since time.Time `json:"since"`
}

// String returns the text, "" for no problem.
func (p *Problem) String() string {
	if p == nil {
		return ""
	}
	return p.Text
}

// Trial is the first time of a release that decides.
type Trial struct {
	Version int64     `json:"version"`
	Since   time.Time `json:"since"`
	Audits  int       `json:"audits"`
	// Before is the slot to go back to; "" is none.
	Before string `json:"before,omitempty"`
	// BeforeBundle says which bundle it has to have.
	BeforeBundle string `json:"before_bundle,omitempty"`
}

// Refusal is a release that a host does not use.
type Refusal struct {
	Channel string    `json:"channel"`
	Version int64     `json:"version"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`
	Program string    `json:"program"` // another one may use it
}

const (
	maxState    = 1 << 20
	maxRefusals = 20
	maxNewPages = 200
	maxWhy      = 500
)

func (h Host) state() (*State, error) {
	text, err := regularfile.Read(h.path(stateFile), maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return &State{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of the releases: %w", err)
	}
	s := new(State)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("read the state of the releases %s: %w; remove the file, and pull again", h.path(stateFile), err)
	}
	if s.Candidate != "" && !slices.Contains(slots[:], s.Candidate) {
		return nil, fmt.Errorf("the state of the releases %s names the slot %.100q; remove the file, and pull again", h.path(stateFile), s.Candidate)
	}
	return s, nil
}

func (h Host) save(s *State) error {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return h.write(h.path(stateFile), append(text, '\n'))
}

func (h Host) trusted() (release.Trusted, error) {
	text, err := regularfile.Read(h.path(trustedFile), maxState*4)
	if errors.Is(err, fs.ErrNotExist) {
		if len(h.Root) == 0 {
			return nil, errors.New("this host trusts no root of releases yet: enroll it again, or give the root with --root FILE")
		}
		return release.Trust(h.Root)
	}
	trusted := release.Trusted{}
	if err == nil {
		err = json.Unmarshal(text, &trusted)
	}
	if err != nil {
		return nil, fmt.Errorf("read what is trusted of the releases: %w", err)
	}
	return trusted, nil
}

func (h Host) saveTrusted(trusted release.Trusted) error {
	text, err := json.Marshal(trusted)
	if err != nil {
		return err
	}
	return h.write(h.path(trustedFile), text)
}

// refusal returns why the host does not use a release; nil if it may.
func (s *State) refusal(h Host, channel string, version int64) *Refusal {
	for i, r := range s.Refused {
		if r.Channel == channel && r.Version == version && r.Program == h.Program {
			return &s.Refused[i]
		}
	}
	return nil
}

func (s *State) refuse(h Host, p release.Plan, why string, now time.Time) {
	s.Refused = append(s.Refused, Refusal{p.Channel, p.Version, why[:min(len(why), maxWhy)], now.UTC(), h.Program})
	if extra := len(s.Refused) - maxRefusals; extra > 0 {
		s.Refused = slices.Delete(s.Refused, 0, extra)
	}
}

func (s *State) dropCandidate() {
	s.Candidate, s.Shadow, s.NewPages, s.Unchecked, s.Checks = "", nil, nil, false, 0
}

// reconcile finishes what a process that was killed had begun: the link to the active release
// was changed, and the state not yet, or the other way round.
func (h Host) reconcile(s *State) error {
	active, err := h.activeSlot()
	if err != nil {
		return h.activate("") // nobody knows what it was
	}
	if active == "" {
		return nil
	}
	r, err := h.read(active)
	if err != nil {
		return nil // it does not decide, and Active says why
	}
	if s.Candidate == active {
		s.dropCandidate()
		return h.save(s)
	}
	if s.refusal(h, r.Plan.Channel, r.Plan.Version) != nil {
		return h.goBack(s)
	}
	return nil
}
