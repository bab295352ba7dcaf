package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/fleet"
	"stackpolicy/fleet/spool"
	"stackpolicy/history"
	"stackpolicy/lab/bench/past"
	"stackpolicy/policies"
)

// letter is an envelope before a host signs it.
type letter struct {
	at       time.Time
	beat     fleet.Beat
	evidence json.RawMessage
}

// lettersOf returns what hosts with the histories of lab/bench/past send, one envelope after each
// of 48 audits a day. It takes some seconds.
var lettersOf = sync.OnceValues(func() (all [][]letter, err error) {
	home, err := os.MkdirTemp("", "archive-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(home)
	for i := range 3 {
		letters, err := live(filepath.Join(home, fmt.Sprint(i)), 20+i, 2)
		if err != nil {
			return nil, err
		}
		all = append(all, letters)
	}
	return all, nil
})

// live lets a host with so many units live for some days.
func live(home string, units, days int) (letters []letter, err error) {
	ctx := context.Background()
	path := "../../testdata/facts/good.json"
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	doc, err := facts.Read(path, f)
	if err != nil {
		return nil, err
	}
	if doc, err = past.Multiply(doc, units); err != nil {
		return nil, err
	}
	rules, err := decide.LoadSource(ctx, policy.Open(policies.FS, ""), decide.Options{Trusted: true, Memory: decide.NewMemory()})
	if err != nil {
		return nil, err
	}
	cursor, numbers := history.Cursor{}, map[string]int64{}
	err = past.LiveThrough(ctx, home, doc, noon, days, rules, func(s *history.Store, at time.Time) error {
		e, err := s.Export(ctx, cursor, func(key string) (int64, error) { return numbers[key], nil }, history.Room{Bytes: history.MaxPackedPart, Rows: 500})
		if err == nil && e.More {
			err = errors.New("a shipment has not all of an audit")
		}
		if err != nil {
			return err
		}
		cursor = e.Cursor
		for _, n := range e.Numbered {
			numbers[n.Key] = n.Number
		}
		beat, err1 := spool.BeatOf(ctx, s, at)
		text, err2 := json.Marshal(e.Shipment)
		letters = append(letters, letter{at, beat, text})
		return errors.Join(err1, err2)
	})
	return letters, err
}

// busyHub returns a hub that took all envelopes of some hosts, for each host in the order of its
// chain.
func busyHub(b *testing.B, hosts int) (h *hub, rounds [][]Received) {
	b.Helper()
	all, err := lettersOf()
	if err != nil {
		b.Fatal(err)
	}
	h = newHub(b)
	for i := range hosts {
		key, err := fleet.NewKey()
		if err != nil {
			b.Fatal(err)
		}
		source := fleet.Source{Org: "home", Host: fmt.Sprint("host", i), User: "alice"}
		h.enroll(b, fleet.Identity{Source: source, Key: key.Public(), Enrolled: noon.AddDate(0, 0, -3)})
		subject, _ := source.Subject()
		var prev fleet.Digest
		for n, l := range all[i%len(all)] {
			data, err := key.Seal(fleet.Envelope{
				Source: source, Seq: uint64(n) + 1, Prev: prev, At: l.at, Boot: "9d56f942-b149-4a7f-af75-000000000000", Program: "0.1.0", Beat: l.beat, Evidence: l.evidence,
			})
			if err != nil {
				b.Fatal(err)
			}
			prev = fleet.DigestOf(data)
			if n == len(rounds) {
				rounds = append(rounds, nil)
			}
			rounds[n] = append(rounds[n], Received{subject, data, l.at})
		}
	}
	return h, rounds
}

// BenchmarkApply adds the envelopes of two days of some hosts to their memories: all that wait,
// or each round of one envelope of each host separately.
func BenchmarkApply(b *testing.B) {
	for name, together := range map[string]int{"waiting": 1000, "one": 1} {
		b.Run(name, func(b *testing.B) {
			const hosts = 6
			count, bytes, spent := 0, int64(0), time.Duration(0)
			for b.Loop() {
				b.StopTimer()
				h, rounds := busyHub(b, hosts)
				for part := range slices.Chunk(rounds, together) {
					list := slices.Concat(part...)
					from, err := h.Take(b.Context(), list)
					if err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					before := processorTime(b)
					for more := true; more; {
						if more, err = h.Apply(b.Context(), noon, from...); err != nil {
							b.Fatal(err)
						}
					}
					b.StopTimer()
					spent += processorTime(b) - before
					count += len(list)
				}
				bytes = sizeOf(b, filepath.Join(h.data, "archive", "memory"))
				if err := h.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(count)/b.Elapsed().Seconds(), "envelopes/s")
			b.ReportMetric(float64(spent.Microseconds())/float64(count), "cpu-µs/envelope")
			b.ReportMetric(float64(bytes)/hosts, "B/memory")
		})
	}
}

// processorTime returns what this process has spent, on all cores together. Other than the speed,
// it hardly depends on what else the machine does.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sizeOf returns the bytes of all files in a folder.
func sizeOf(b *testing.B, dir string) (sum int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return sum
}
