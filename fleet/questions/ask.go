package questions

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/decide/query"
	"stackpolicy/fleet/archive"
)

// CheckQuery returns an error for a query that cannot be asked.
func CheckQuery(ctx context.Context, text string) error {
	_, err := query.Prepare(ctx, text)
	return err
}

// Asking is how to ask.
type Asking struct {
	JetStream jetstream.JetStream
	Replicas  int
	Patience  time.Duration      // without any answer; then nobody works
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
	return Sum(job.Since, each), err
}

// Query asks all workers together a query of the newest documents.
func (a Asking) Query(ctx context.Context, job Job) (Answers, error) {
	var each []SourceAnswer
	err := a.ask(ctx, job, func(all []answer) {
		for _, x := range all {
			if x.Answer != nil {
				each = append(each, *x.Answer)
			}
		}
	})
	return SortAnswers(job.Query, each), err
}

// ask queues the shards, and hands on the answers of each, once.
func (a Asking) ask(ctx context.Context, job Job, take func([]answer)) error {
	if err := ensure(ctx, a.JetStream, a.Replicas); err != nil {
		return err
	}
	job.ID = rand.Text()
	data, err := pack(job)
	if err != nil {
		return err
	}
	if _, err := a.JetStream.Publish(ctx, "job."+job.ID, data); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	c, err := a.JetStream.OrderedConsumer(ctx, answerStream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"answer." + job.ID}})
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	for shard := range archive.Shards {
		data, err := pack(work{job.ID, shard})
		if err == nil {
			_, err = a.JetStream.Publish(ctx, "work."+job.ID, data)
		}
		if err != nil {
			return fmt.Errorf("ask: %w", err)
		}
	}
	return a.collect(ctx, c, take)
}

// collect waits for all shards. The answers of a try count when it says that it is done.
func (a Asking) collect(ctx context.Context, c jetstream.Consumer, take func([]answer)) error {
	tries, done := map[string][]answer{}, map[int]bool{}
	var problems []error
	for len(done) < archive.Shards {
		m, err := c.Next(jetstream.FetchMaxWait(a.Patience))
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
