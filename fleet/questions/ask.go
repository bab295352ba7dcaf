package questions

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/decide/query"
	"stackpolicy/fleet"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/streams"
)

// CheckQuery returns an error for a query that cannot be asked.
func CheckQuery(ctx context.Context, text string) error {
	_, err := query.Prepare(ctx, text)
	return err
}

// Asking is how to ask.
type Asking struct {
	JetStream jetstream.JetStream
	Patience  time.Duration      // without any answer; then nobody works
	Enrolled  []fleet.Identity   // those of which there should be an answer, unless they are revoked
	Progress  func(done, of int) // nil is nobody
}

// Impact asks all workers together what rules would have changed.
func (a Asking) Impact(ctx context.Context, job Job) (Impact, error) {
	var each []SourceImpact
	err := a.ask(ctx, job, func(all []answer) {
		for _, x := range all {
			if x.Impact != nil {
				each = append(each, *x.Impact)
			}
		}
	})
	for _, id := range a.absent(len(each), func(i int) string { return each[i].Key }) {
		each = append(each, SourceImpact{Source: id.Source, Key: id.Key.Fingerprint(), Error: noEvidence})
	}
	return Sum(job.Since, each), err
}

// Query asks all workers together a query of the newest documents. A source that is revoked, or was
// enrolled again with another key, has none of its former key.
func (a Asking) Query(ctx context.Context, job Job) (Answers, error) {
	var each []SourceAnswer
	err := a.ask(ctx, job, func(all []answer) {
		for _, x := range all {
			if x.Answer != nil && !a.isFormer(x.Answer.Source, x.Answer.Key) {
				each = append(each, *x.Answer)
			}
		}
	})
	for _, id := range a.absent(len(each), func(i int) string { return each[i].Key }) {
		each = append(each, SourceAnswer{Source: id.Source, Key: id.Key.Fingerprint(), Error: noEvidence, Answers: []json.RawMessage{}})
	}
	return SortAnswers(job.Query, each), err
}

// noEvidence is why a source has no answer.
const noEvidence = "no worker has evidence of it: it never sent any, or a worker reads another folder than that of the archive (--data)"

// absent returns those who have no answer: a worker without an archive has one of nobody.
func (a Asking) absent(n int, key func(i int) string) (list []fleet.Identity) {
	answered := map[string]bool{}
	for i := range n {
		answered[key(i)] = true
	}
	for _, id := range a.Enrolled {
		if id.Revoked == nil && !answered[id.Key.Fingerprint()] {
			list = append(list, id)
		}
	}
	return list
}

// isFormer reports whether a key of a source is not the one that it is enrolled with now. Of a source
// that is not in the list nobody knows.
func (a Asking) isFormer(s fleet.Source, key string) bool {
	for _, id := range a.Enrolled {
		if id.Source == s {
			return id.Revoked != nil || id.Key.Fingerprint() != key
		}
	}
	return false
}

// ask queues the shards, and hands on the answers of each, once.
func (a Asking) ask(ctx context.Context, job Job, take func([]answer)) error {
	job.ID = rand.Text()
	data, err := pack(job)
	if err != nil {
		return err
	}
	if _, err := a.JetStream.Publish(ctx, "job."+job.ID, data); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	c, err := a.JetStream.OrderedConsumer(ctx, streams.Answers, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"answer." + job.ID}})
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	if err := a.queue(ctx, job.ID); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	return a.collect(ctx, c, take)
}

// queue queues the shards.
func (a Asking) queue(ctx context.Context, job string) error {
	post := posts{JetStream: a.JetStream}
	for shard := range archive.Shards {
		data, err := pack(work{job, shard})
		if err == nil {
			err = post.send("work."+job, data)
		}
		if err != nil {
			return err
		}
	}
	return post.wait(ctx)
}

// next waits for the next answer. A cluster may be without a leader meanwhile.
func (a Asking) next(ctx context.Context, c jetstream.Consumer) (jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Patience)
	defer cancel()
	for {
		m, err := c.Next(jetstream.FetchContext(ctx))
		if err == nil || ctx.Err() != nil {
			return m, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(time.Second):
		}
	}
}

// collect waits for all shards. The answers of a try count when it says that it is done.
func (a Asking) collect(ctx context.Context, c jetstream.Consumer, take func([]answer)) error {
	tries, done := map[string][]answer{}, map[int]bool{}
	var problems []error
	for len(done) < archive.Shards {
		m, err := a.next(ctx, c)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("%d of %d shards are answered, and no worker says more within %s: start `stackfleet worker`: %w", len(done), archive.Shards, a.Patience, err)
		}
		var x answer
		if err := unpack(m.Data(), &x); err != nil {
			return err
		}
		if !x.Done {
			tries[x.Try] = append(tries[x.Try], x)
			continue
		}
		if done[x.Shard] || len(tries[x.Try]) != x.Count {
			continue
		}
		done[x.Shard] = true
		take(tries[x.Try])
		delete(tries, x.Try)
		if x.Problem != "" {
			problems = append(problems, fmt.Errorf("shard %d: %s", x.Shard, x.Problem))
		}
		if a.Progress != nil {
			a.Progress(len(done), archive.Shards)
		}
	}
	return errors.Join(problems...)
}
