package confined

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"stackpolicy/decide"
	"stackpolicy/decide/lint"
	"stackpolicy/decide/regotest"
	"stackpolicy/facts"
	"stackpolicy/internal/confine"
)

// maxAnswer bounds the size of one rule's findings on the pipe.
const maxAnswer = 8 << 20

// Serve is the main function of the child: it answers the requests of its parent until the
// parent ends. It only returns with an error.
func Serve() error {
	conn, err := confine.Child()
	s := &server{conn: conn}
	for err == nil {
		err = s.serve(conn.Receive())
	}
	return fmt.Errorf("serve rules: %w", err)
}

type server struct {
	conn     *confine.Conn
	sending  sync.Mutex
	policies *decide.Policies
	doc      *facts.Document
}

func (s *server) serve(frame []byte) error {
	var r request
	if err := json.Unmarshal(frame, &r); err != nil {
		return err
	}
	answer, err := s.do(context.Background(), r)
	if err != nil {
		answer = failed(err)
	}
	answer.Done = true
	return s.send(answer)
}

func (s *server) do(ctx context.Context, r request) (answer reply, err error) {
	switch r.Do {
	case doLoad:
		return s.load(ctx, r)
	case doFacts:
		return answer, s.read(r.Size)
	case doAsk:
		return answer, s.ask(ctx, r.IDs)
	case doTest:
		answer.Report, err = regotest.Run(ctx, r.Source)
		return answer, err
	case doFormat:
		answer.Formatted, err = lint.Formatted(r.Source)
		return answer, err
	}
	return answer, fmt.Errorf("unknown request %q", r.Do)
}

func (s *server) load(ctx context.Context, r request) (answer reply, err error) {
	s.policies, err = decide.LoadSource(ctx, r.Source, decide.Options{Limit: r.Limit, LocalSchemas: r.Local})
	if err != nil {
		return answer, err
	}
	answer.Loaded.Settings, answer.Loaded.Digest = s.policies.Settings(), s.policies.Digest()
	for _, inv := range s.policies.Invariants() {
		answer.Loaded.Invariants = append(answer.Loaded.Invariants, &inv)
	}
	return answer, nil
}

// read reads the document in the next frame.
func (s *server) read(size int) (err error) {
	s.doc = nil
	if err := s.conn.Allow(perByte * uint64(size)); err != nil {
		return err
	}
	s.doc, err = facts.Decode(s.conn.Receive())
	return err
}

// ask evaluates rules, and sends each answer as soon as it has it.
func (s *server) ask(ctx context.Context, ids []string) error {
	if s.policies == nil || s.doc == nil {
		return errors.New("asked before rules and facts were there")
	}
	s.policies.Evaluate(ctx, s.doc, ids, func(id string, a decide.Answer) {
		if err := s.send(answered(id, a)); err != nil {
			os.Exit(1) // nobody reads it
		}
	})
	return nil
}

func (s *server) send(r reply) error {
	frame, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if r.ID != "" && len(frame) > maxAnswer {
		return s.send(reply{ID: r.ID, Error: fmt.Sprintf("its findings take more than %d MiB", maxAnswer>>20)})
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.conn.Send(frame)
}
