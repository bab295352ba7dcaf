package ingest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet"
	"stackpolicy/fleet/archive"
	"stackpolicy/lab/hub"
)

// BenchmarkRun publishes evidence of 100 hosts, and waits until the archive has it.
func BenchmarkRun(b *testing.B) {
	h := hub.New(b)
	h.StartArchiver()
	var hosts []*hub.Host
	for i := range 100 {
		hosts = append(hosts, h.Enroll(fmt.Sprint("host", i), "alice", time.Now()))
	}
	conn := h.Own()
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4000))
	if err != nil {
		b.Fatal(err)
	}
	const each = 100
	seq, prev := uint64(0), make([]fleet.Digest, len(hosts))
	for b.Loop() {
		b.StopTimer()
		var list []*nats.Msg
		for range each {
			seq++
			for i, x := range hosts {
				data, err := x.Key.Seal(fleet.Envelope{Source: x.Source, Seq: seq, Prev: prev[i], At: time.Now(), Beat: fleet.Beat{Audited: time.Now(), Policy: "sha256:x"}})
				if err != nil {
					b.Fatal(err)
				}
				prev[i] = fleet.DigestOf(data)
				subject, _ := x.Source.Subject()
				id, _ := prev[i].MarshalText()
				list = append(list, &nats.Msg{Subject: subject, Data: data, Header: nats.Header{nats.MsgIdHdr: {string(id)}}})
			}
		}
		b.StartTimer()
		for _, m := range list {
			if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
				b.Fatal(err)
			}
		}
		await(b, h, seq*uint64(len(hosts)))
	}
	b.ReportMetric(float64(b.N*each*len(hosts))/b.Elapsed().Seconds(), "envelopes/s")
}

func await(b *testing.B, h *hub.Hub, n uint64) {
	b.Helper()
	a := archive.OpenReadOnly(h.Data, h.Keys.Registry.Public())
	defer a.Close()
	for kept := uint64(0); kept < n; time.Sleep(100 * time.Millisecond) {
		all, err := a.Sources(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		kept = 0
		for _, s := range all {
			kept += s.Newest
		}
	}
}
