package questions

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Names at the broker. A question is forgotten after an hour.
const (
	workStream   = "WORK"
	answerStream = "ANSWERS"
	workers      = "workers"
	keep         = time.Hour
	takeAgain    = 2 * time.Minute // of a worker that does not say that it works
)

// ensure makes the streams, or changes them to what this version wants.
func ensure(ctx context.Context, js jetstream.JetStream, replicas int) error {
	for _, c := range []jetstream.StreamConfig{
		{Name: workStream, Subjects: []string{"work.>"}, Retention: jetstream.WorkQueuePolicy, MaxAge: keep, Replicas: replicas, Description: "shards of questions, until one has done them"},
		{Name: answerStream, Subjects: []string{"job.*", "answer.*"}, MaxAge: keep, MaxBytes: 1 << 30, Replicas: replicas, AllowDirect: true, Description: "questions, and their answers"},
	} {
		if _, err := js.CreateOrUpdateStream(ctx, c); err != nil {
			return fmt.Errorf("make the stream %s: %w", c.Name, err)
		}
	}
	_, err := js.CreateOrUpdateConsumer(ctx, workStream, jetstream.ConsumerConfig{
		Durable: workers, AckPolicy: jetstream.AckExplicitPolicy, AckWait: takeAgain, MaxDeliver: 3, FilterSubject: "work.>",
	})
	if err != nil {
		return fmt.Errorf("make the consumer %s: %w", workers, err)
	}
	return nil
}
