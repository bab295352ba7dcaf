// Package streams has the streams of a fleet and who reads them, at the hub's own broker or at
// a cluster.
package streams

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Names at the broker.
const (
	Evidence = "EVIDENCE" // envelopes, until the archive has them on its disk
	Fleet    = "FLEET"    // the last statement of each subject, and the files of releases
	Archive  = "archive"  // the durable consumer of EVIDENCE
)

// Limits of the streams.
const (
	PerSource  = 2_000            // envelopes of a source that wait: a host makes 200, and sends them again each hour
	maxMessage = 1 << 20          // bytes
	duplicates = 2 * time.Minute  // messages with one Nats-Msg-Id are one
	ackWait    = 15 * time.Second // then an envelope is given to the archive again, as one that was killed had it
	maxPending = 4096             // envelopes that the archive has and did not acknowledge
)

// Ensure makes the streams and the consumer, or changes them to what this version wants.
// Replicas is 1 for a single broker and 3 for a cluster. It deletes nothing.
func Ensure(ctx context.Context, js jetstream.JetStream, replicas int) error {
	for _, c := range []jetstream.StreamConfig{evidence(replicas), statements(replicas)} {
		if _, err := js.CreateOrUpdateStream(ctx, c); err != nil {
			return fmt.Errorf("make the stream %s: %w", c.Name, err)
		}
	}
	if _, err := js.CreateOrUpdateConsumer(ctx, Evidence, archive()); err != nil {
		return fmt.Errorf("make the consumer %s: %w", Archive, err)
	}
	return nil
}

// evidence keeps what hosts sent until it is acknowledged. A source that sends more than
// PerSource envelopes is refused and keeps them itself; the others are not affected.
func evidence(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: Evidence, Description: "envelopes of hosts, until the archive has them",
		Subjects: []string{"evidence.*.*.*"}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
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

func archive() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: Archive, Description: "writes envelopes to the archive",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: maxPending,
	}
}
