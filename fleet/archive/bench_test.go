package archive

import (
	"fmt"
	"testing"
	"time"

	"stackpolicy/fleet"
)

// BenchmarkTake takes batches as the archiver does: of 200 hosts, mere beats.
func BenchmarkTake(b *testing.B) {
	hub := newHub(b)
	type sender struct {
		subject string
		source  fleet.Source
		key     fleet.Key
		prev    fleet.Digest
		seq     uint64
	}
	var senders []*sender
	for i := range 200 {
		key, err := fleet.NewKey()
		if err != nil {
			b.Fatal(err)
		}
		s := &sender{source: fleet.Source{Org: "home", Host: fmt.Sprint("host", i), User: "alice"}, key: key}
		if s.subject, err = s.source.Subject(); err != nil {
			b.Fatal(err)
		}
		hub.enroll(b, fleet.Identity{Source: s.source, Key: key.Public(), Enrolled: noon})
		senders = append(senders, s)
	}
	next := func(n int) (list []Received) {
		for i := range n {
			s := senders[i%len(senders)]
			s.seq++
			data, err := s.key.Seal(fleet.Envelope{Source: s.source, Seq: s.seq, Prev: s.prev, At: noon, Beat: fleet.Beat{Audited: noon, Policy: "sha256:x"}})
			if err != nil {
				b.Fatal(err)
			}
			s.prev = fleet.DigestOf(data)
			list = append(list, Received{s.subject, data, noon.Add(time.Minute)})
		}
		return list
	}
	const batch = 1000
	for b.Loop() {
		b.StopTimer()
		list := next(batch)
		b.StartTimer()
		if _, err := hub.Take(b.Context(), list); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "envelopes/s")
}
