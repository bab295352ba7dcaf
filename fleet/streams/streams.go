// Package streams has the streams of a fleet and who reads them, at the hub's own broker or at
// a cluster.
package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Names at the broker.
const (
	Evidence = "EVIDENCE" // envelopes, until the archive has them on its disk
	Fleet    = "FLEET"    // the last statement of each subject, and the files of releases
	Work     = "WORK"     // shards of questions, until one has answered them
	Answers  = "ANSWERS"  // questions, and their answers
	Workers  = "workers"  // the durable consumer of WORK
)

// Limits of the streams.
const (
	PerSource  = 20_000          // envelopes of a source that wait: more than two weeks of them
	maxMessage = 1 << 20         // bytes
	duplicates = 2 * time.Minute // messages with one Nats-Msg-Id are one
	maxAge     = time.Hour       // then a question is forgotten
	maxAnswers = 1 << 30         // bytes
	maxTries   = 3               // of a shard
)

// TakeAgain is after how long a shard is given to another worker, if the first does not say that
// it works.
const TakeAgain = 2 * time.Minute

// How long a cluster may need that chooses another leader, and one try.
const (
	patience = 30 * time.Second
	oneTry   = 5 * time.Second
	between  = 500 * time.Millisecond
)

// Ensure makes the streams and their consumers, or changes them to what this version wants.
// Replicas is 1 for a single broker and 3 for a cluster, of which it waits half a minute for a
// leader. It deletes nothing but a stream of envelopes of a version that had it as a work queue:
// hosts send again what is not in the archive.
func Ensure(ctx context.Context, js jetstream.JetStream, replicas int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		try, done := context.WithTimeout(ctx, oneTry)
		err := ensure(try, js, replicas)
		done()
		if err == nil || replicas == 1 || !isWithoutLeader(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the cluster has no leader for it: see whether two of its servers run", err)
		case <-time.After(between):
		}
	}
}

// isWithoutLeader reports whether an error may mean that a cluster has no leader at the moment.
func isWithoutLeader(err error) bool {
	api := (*jetstream.APIError)(nil)
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders) || errors.As(err, &api) && api.Code == 503
}

func ensure(ctx context.Context, js jetstream.JetStream, replicas int) error {
	if s, err := js.Stream(ctx, Evidence); err == nil && s.CachedInfo().Config.Retention == jetstream.WorkQueuePolicy {
		if err := js.DeleteStream(ctx, Evidence); err != nil {
			return fmt.Errorf("replace the stream %s of an earlier version: %w", Evidence, err)
		}
	}
	for _, c := range []jetstream.StreamConfig{evidence(replicas), statements(replicas), work(replicas), answers(replicas)} {
		if _, err := js.CreateOrUpdateStream(ctx, c); err != nil {
			return fmt.Errorf("make the stream %s: %w", c.Name, err)
		}
	}
	if _, err := js.CreateOrUpdateConsumer(ctx, Work, workers()); err != nil {
		return fmt.Errorf("make the consumer %s: %w", Workers, err)
	}
	return nil
}

// evidence keeps what hosts sent until the archive purges it: one write to the disk for a whole
// batch, where a work queue that syncs always needs one for each acknowledgement (measured: 2,400
// envelopes a second at most, with nothing else on the disk). A source that sends more than
// PerSource envelopes is refused and keeps them itself; the others are not affected.
func evidence(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: Evidence, Description: "envelopes of hosts, until the archive has them",
		Subjects: []string{"evidence.*.*.*"}, Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, MaxMsgsPerSubject: PerSource, DiscardNewPerSubject: true,
		MaxMsgSize: maxMessage, Duplicates: duplicates, Replicas: replicas,
	}
}

func statements(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: Fleet, Description: "watermarks, identities and files of releases",
		Subjects: []string{"watermark.*.*.*", "identity.*.*.*", "release.*.>"}, Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage,
		MaxMsgsPerSubject: 1, MaxMsgSize: maxMessage, AllowDirect: true, Replicas: replicas,
	}
}

func work(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: Work, Description: "shards of questions, until one has answered them",
		Subjects: []string{"work.>"}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, MaxAge: maxAge, Replicas: replicas,
	}
}

func answers(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: Answers, Description: "questions, and their answers",
		Subjects: []string{"job.*", "answer.*"}, Storage: jetstream.FileStorage, MaxAge: maxAge, MaxBytes: maxAnswers, AllowDirect: true, Replicas: replicas,
	}
}

func workers() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: Workers, Description: "answers questions",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: TakeAgain, MaxDeliver: maxTries,
	}
}
