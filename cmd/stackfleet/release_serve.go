package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet"
	"stackpolicy/fleet/release"
	"stackpolicy/internal/text"
)

// How often the hub publishes. releaseEvery is how often the hub looks whether there is something new to publish. It signs
// the timestamp again when half of its life is over.
const (
	releaseEvery = 2 * time.Second
	publishAll   = time.Hour // all files again: somebody may have deleted the stream
)

// releaser returns what puts the public files of the releases into the stream FLEET, where hosts
// read them, and keeps the timestamp fresh. It does nothing while there are no releases. What
// fails is said once, and tried again.
func (h *hub) releaser(c *nats.Conn, errs io.Writer) part {
	repository := release.At(filepath.Join(h.data, "release"))
	return func(ctx context.Context) error {
		js, err := jetstream.New(c)
		if err != nil {
			return err
		}
		p := publisher{js: js, org: h.keys.Org, known: map[string][sha256.Size]byte{}}
		all := time.Now()
		for said := ""; ; {
			if time.Since(all) > publishAll {
				clear(p.known)
				all = time.Now()
			}
			err := p.publish(ctx, repository, time.Now())
			if problem := fmt.Sprint(err); err != nil && ctx.Err() == nil && problem != said {
				fmt.Fprintf(errs, "stackfleet: releases: %s\n", text.CleanBlock(problem))
				said = problem
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(releaseEvery):
			}
		}
	}
}

// publisher publishes what it has not published yet.
type publisher struct {
	js    jetstream.JetStream
	org   string
	known map[string][sha256.Size]byte
}

func (p publisher) publish(ctx context.Context, from release.Repository, now time.Time) error {
	_, err := from.Root()
	if errors.Is(err, release.ErrNoRoot) {
		return nil
	}
	if err == nil {
		_, err = from.Refresh(now)
	}
	if err != nil {
		return err
	}
	return from.Files(func(name string, content []byte) error {
		digest := sha256.Sum256(content)
		if p.known[name] == digest {
			return nil
		}
		subject, err := fleet.ReleaseSubject(p.org, name)
		if err != nil {
			return err
		}
		if _, err := p.js.Publish(ctx, subject, content); err != nil {
			return err
		}
		p.known[name] = digest
		return nil
	})
}
