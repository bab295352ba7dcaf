package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet"
	"stackpolicy/fleet/streams"
)

// restore publishes what the stream of statements lacks, because it was deleted or is of an
// earlier time: the identities that the archive has, and all watermarks.
func (r *run) restore(ctx context.Context) error {
	kept, err := r.Archive.Identities(ctx)
	if err != nil {
		return err
	}
	for subject, statement := range kept {
		source, err := fleet.ParseSubject(subject)
		if err != nil {
			return err
		}
		r.note([]fleet.Source{source})
		isThere, err := r.learn(ctx, source)
		if err != nil {
			return err
		}
		if isThere {
			continue
		}
		to, err := fleet.StatementSubject(fleet.IdentityKind, source)
		if err != nil {
			return err
		}
		if _, err := r.js.Publish(ctx, to, statement); err != nil {
			return fmt.Errorf("publish an identity again: %w", err)
		}
	}
	return nil
}

// follow takes identities over as they are published: new ones, and those that are revoked.
func (r *run) follow(ctx context.Context) error {
	c, err := r.js.OrderedConsumer(ctx, streams.Fleet, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{string(fleet.IdentityKind) + ".>"}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	})
	if err != nil {
		return fmt.Errorf("read identities: %w", err)
	}
	messages, err := c.Messages()
	if err != nil {
		return fmt.Errorf("read identities: %w", err)
	}
	defer context.AfterFunc(ctx, messages.Stop)()
	defer messages.Stop()
	for {
		m, err := messages.Next()
		if err != nil {
			return fmt.Errorf("read identities: %w", err)
		}
		source, err := fleet.ParseStatementSubject(fleet.IdentityKind, m.Subject())
		if err == nil {
			err = r.Archive.Enroll(ctx, source, m.Data())
		}
		if err != nil {
			r.Log(fmt.Sprintf("an identity is not taken: %v", err))
		}
	}
}

// learn takes the identity of a source over from the stream, if it is there. One that the
// registry did not sign is logged, and not taken.
func (r *run) learn(ctx context.Context, source fleet.Source) (isThere bool, err error) {
	subject, err := fleet.StatementSubject(fleet.IdentityKind, source)
	if err != nil {
		return false, err
	}
	statement, err := r.last(ctx, subject)
	if err != nil || statement == nil {
		return false, err
	}
	if err := r.Archive.Enroll(ctx, source, statement); err != nil {
		r.Log(fmt.Sprintf("an identity is not taken: %v", err))
	}
	return true, nil
}

// last returns the last message of a subject of the stream of statements; nil if there is none.
func (r *run) last(ctx context.Context, subject string) ([]byte, error) {
	stream, err := r.js.Stream(ctx, streams.Fleet)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", subject, err)
	}
	m, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", subject, err)
	}
	return m.Data, nil
}

// publishMarks publishes the watermarks of sources of which something came.
func (r *run) publishMarks(ctx context.Context) error {
	for sleep(ctx, markEvery) {
		sources := r.take(r.marks)
		for i, s := range sources {
			if err := r.publishMark(ctx, s); err != nil {
				r.note(sources[i:])
				return err
			}
		}
	}
	return ctx.Err()
}

func (r *run) publishMark(ctx context.Context, s fleet.Source) error {
	subject, statement, err := r.Archive.Watermark(ctx, s, r.Now())
	if err != nil || statement == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	if _, err := r.js.Publish(ctx, subject, statement); err != nil {
		return fmt.Errorf("publish a watermark by %s: %w", subject, err)
	}
	return nil
}
