package confined

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/internal/confine"
)

// client lets a child evaluate rules, and starts another child if it is killed.
type client struct {
	life  context.Context // of every child
	limit time.Duration   // of one rule
	load  request

	mu    sync.Mutex
	child *confine.Process // nil: it was killed
}

// start starts a child that has loaded the rules.
func (c *client) start(ctx context.Context) (loaded, error) {
	child, err := confine.Start(c.life, memory)
	if err != nil {
		return loaded{}, err
	}
	answer, err := call(ctx, child, c.load, loadLimit)
	if err != nil {
		child.Stop()
		return loaded{}, err
	}
	c.child = child
	return answer.Loaded, nil
}

func (c *client) stop() {
	if c.child != nil {
		c.child.Stop()
		c.child = nil
	}
}

// Evaluate lets the child evaluate all rules. If one breaks a limit, the rules without an
// answer are evaluated one by one, so that only the rule that breaks the limit is undecided.
func (c *client) Evaluate(ctx context.Context, doc *decide.Prepared, invariants []*policy.Invariant, answer func(int, decide.Answer)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &question{client: c, invariants: invariants, answer: answer, waiting: map[string]int{}}
	var err error
	if q.facts, err = json.Marshal(doc.Document); err == nil {
		err = q.ready(ctx)
	}
	if err != nil {
		q.fail(err)
		return
	}
	for i, inv := range invariants {
		q.waiting[inv.ID] = i
	}
	// On each processor, two rules may be stopped, one after the other.
	if q.ask(ctx, ids(invariants), 2*c.limit+graceLimit) == nil {
		return
	}
	for i, inv := range invariants {
		if _, waits := q.waiting[inv.ID]; waits {
			q.alone(ctx, i)
		}
	}
}

func ids(invariants []*policy.Invariant) []string {
	list := make([]string, len(invariants))
	for i, inv := range invariants {
		list[i] = inv.ID
	}
	return list
}

// question is the evaluation of one document.
type question struct {
	*client
	facts      []byte
	invariants []*policy.Invariant
	answer     func(int, decide.Answer)
	waiting    map[string]int // invariants without an answer, by id
	knows      *confine.Process
}

// ready makes sure that there is a child that has the facts.
func (q *question) ready(ctx context.Context) error {
	if q.child == nil {
		if _, err := q.start(ctx); err != nil {
			return err
		}
	}
	if q.knows == q.child {
		return nil
	}
	err := send(ctx, q.child, request{Do: doFacts, Size: len(q.facts)})
	if err == nil {
		err = q.child.Send(ctx, q.facts, factsLimit)
	}
	var r reply
	if err == nil {
		r, err = receive(ctx, q.child, factsLimit)
	}
	if err == nil {
		err = r.failure(policy.Source{})
	}
	if err != nil {
		q.stop()
		return explain(request{Do: doFacts}, factsLimit, err)
	}
	q.knows = q.child
	return nil
}

// ask waits for the answers of the named invariants, for each at most limit. An error means
// that the child was killed.
func (q *question) ask(ctx context.Context, ids []string, limit time.Duration) error {
	err := send(ctx, q.child, request{Do: doAsk, IDs: ids})
	for err == nil {
		var r reply
		if r, err = receive(ctx, q.child, limit); err != nil {
			break
		}
		if r.Done {
			return r.failure(policy.Source{})
		}
		if i, waits := q.waiting[r.ID]; waits {
			delete(q.waiting, r.ID)
			q.answer(i, r.answer())
		}
	}
	q.stop()
	return err
}

// alone evaluates one invariant. So an error does not affect other invariants.
func (q *question) alone(ctx context.Context, i int) {
	inv := q.invariants[i]
	if ctx.Err() != nil {
		q.answer(i, decide.Answer{Err: fmt.Errorf("%s: stopped at the time limit", inv.File)})
		return
	}
	err := q.ready(ctx)
	if err == nil {
		err = q.ask(ctx, []string{inv.ID}, q.limit+graceLimit)
	}
	if _, waits := q.waiting[inv.ID]; err != nil && waits {
		delete(q.waiting, inv.ID)
		q.answer(i, decide.Answer{Err: fmt.Errorf("%s: %w", inv.File, reason(err, q.limit))})
	}
}

// fail answers with the same error for every invariant.
func (q *question) fail(err error) {
	for i, inv := range q.invariants {
		q.answer(i, decide.Answer{Err: fmt.Errorf("%s: %w", inv.File, err)})
	}
}
