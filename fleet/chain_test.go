package fleet

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hub is what a hub knows of one source.
type hub struct {
	key     PublicKey
	kept    map[uint64]Link
	sealed  map[uint64][]byte
	refused []string // and why
}

func (h *hub) At(seq uint64) (Link, bool, error) {
	l, has := h.kept[seq]
	return l, !has, nil
}

type message struct {
	subject string
	sealed  []byte
}

func (h *hub) receive(m message, at time.Time) {
	e, err := Open(m.subject, m.sealed, h.key)
	if err != nil {
		h.refused = append(h.refused, err.Error())
		return
	}
	l := LinkOf(e, m.sealed)
	j, why, _ := Judge(h, l)
	before := h.kept[e.Seq-1].At
	if fault := ClockFault(before, e.At, at); fault != "" {
		h.refused = append(h.refused, fault)
	}
	switch j {
	case Fork:
		h.refused = append(h.refused, why)
	case New:
		h.kept[e.Seq], h.sealed[e.Seq] = l, m.sealed
	}
}

func (h *hub) missing() []Range { return Missing(slices.Values(slices.Sorted(maps.Keys(h.kept)))) }

// story is what a host sent.
func story(t testing.TB, k Key, n uint64, host string) (messages []message) {
	t.Helper()
	var prev Digest
	for seq := uint64(1); seq <= n; seq++ {
		e := envelope(seq, prev)
		e.Boot = host
		subject, sealed := seal(t, k, e)
		messages, prev = append(messages, message{subject, sealed}), DigestOf(sealed)
	}
	return messages
}

// mutations are what an attacker in the network, at the broker, with another host or with a
// stolen key may do to what a host sends. Those that are harmless change nothing of what the hub
// keeps. Envelopes arrive in any order: the newest first after a pause.
var mutations = map[string]struct {
	isHarmless bool
	do         func(t testing.TB, r *rand.Rand, k Key, all []message) []message
}{
	"delete": {false, func(_ testing.TB, r *rand.Rand, _ Key, all []message) []message {
		i := r.IntN(len(all) - 1) // of the last one, the watermark tells the host
		return slices.Delete(all, i, i+1)
	}},
	"edit": {false, func(_ testing.TB, r *rand.Rand, _ Key, all []message) []message {
		m := &all[r.IntN(len(all))]
		m.sealed = bytes.Clone(m.sealed)
		m.sealed[r.IntN(len(m.sealed))] ^= byte(1 + r.IntN(255))
		return all
	}},
	"reorder": {true, func(_ testing.TB, r *rand.Rand, _ Key, all []message) []message {
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return all
	}},
	"replay": {true, func(_ testing.TB, r *rand.Rand, _ Key, all []message) []message {
		for range 1 + r.IntN(5) {
			all = append(all, all[r.IntN(len(all))])
		}
		return all
	}},
	"fork from the beginning": {false, func(t testing.TB, r *rand.Rand, k Key, all []message) []message {
		return append(all, story(t, k, uint64(1+r.IntN(2)), "clone")...)
	}},
	"fork in the middle, and the others are held back": {false, func(t testing.TB, r *rand.Rand, k Key, all []message) []message {
		at := 1 + r.IntN(len(all)-1)
		other := envelope(uint64(at), DigestOf(all[at-1].sealed))
		if at == 1 {
			other.Prev = Digest{}
		} else {
			other.Prev = DigestOf(all[at-2].sealed)
		}
		other.Boot = "clone"
		subject, sealed := seal(t, k, other)
		all[at-1] = message{subject, sealed}
		if r.IntN(2) == 0 {
			slices.Reverse(all)
		}
		return all
	}},
	"foreign subject": {false, func(t testing.TB, r *rand.Rand, _ Key, all []message) []message {
		subject, err := Source{"home", "db", "alice"}.Subject()
		if err != nil {
			t.Fatal(err)
		}
		all[r.IntN(len(all))].subject = subject
		return all
	}},
	"another key": {false, func(t testing.TB, r *rand.Rand, _ Key, all []message) []message {
		all[r.IntN(len(all))].sealed = story(t, newKey(t), 1, "other")[0].sealed
		return all
	}},
	"a clock that is ahead": {false, func(t testing.TB, _ *rand.Rand, k Key, all []message) []message {
		return next(t, k, all, 24*time.Hour)
	}},
	"a clock that went back": {false, func(t testing.TB, _ *rand.Rand, k Key, all []message) []message {
		return next(t, k, all, -24*time.Hour)
	}},
}

func next(t testing.TB, k Key, all []message, ahead time.Duration) []message {
	t.Helper()
	e := envelope(uint64(len(all)+1), DigestOf(all[len(all)-1].sealed))
	e.At = e.At.Add(ahead)
	subject, sealed := seal(t, k, e)
	return append(all, message{subject, sealed})
}

// TestMutations: of 10,000 mutations of what hosts send none is undetected, and what is harmless
// is no alarm.
func TestMutations(t *testing.T) {
	const length, rounds = 6, 1000
	k := newKey(t)
	all := story(t, k, length, "host")
	names := slices.Sorted(maps.Keys(mutations))
	done := map[string]int{}
	for seed := range uint64(rounds) {
		for _, name := range names {
			r, m := rand.New(rand.NewPCG(seed, uint64(len(name)))), mutations[name]
			sent := m.do(t, r, k, slices.Clone(all))
			h := &hub{key: k.Public(), kept: map[uint64]Link{}, sealed: map[uint64][]byte{}}
			for _, m := range sent {
				h.receive(m, noon.Add(time.Hour))
			}
			found := len(h.refused) + len(h.missing())
			if m.isHarmless && (found > 0 || len(h.kept) != length) {
				t.Fatalf("%s, seed %d: refused %v, missing %v, kept %d", name, seed, h.refused, h.missing(), len(h.kept))
			}
			if !m.isHarmless && found == 0 {
				t.Fatalf("%s, seed %d: nobody noticed", name, seed)
			}
			for seq, sealed := range h.sealed {
				if m.isHarmless && !bytes.Equal(sealed, all[seq-1].sealed) {
					t.Fatalf("%s, seed %d: envelope %d is another one", name, seed, seq)
				}
			}
			done[name]++
		}
	}
	t.Log(done)
}

func TestMissing(t *testing.T) {
	for numbers, want := range map[string][]Range{
		"[]": nil, "[1 2 3]": nil, "[1 2 5 6 9]": {{3, 4}, {7, 8}}, "[4]": {{1, 3}},
	} {
		var seqs []uint64
		for _, c := range numbers {
			if '0' <= c && c <= '9' {
				seqs = append(seqs, uint64(c-'0'))
			}
		}
		if d := cmp.Diff(want, Missing(slices.Values(seqs))); d != "" {
			t.Errorf("%s: %s", numbers, d)
		}
	}
}

func TestClockFault(t *testing.T) {
	for _, tc := range []struct {
		before, at, received int
		isFault              bool
	}{{0, 1, 1, false}, {0, 9, 0, false}, {0, 11, 0, true}, {20, 11, 30, false}, {20, 9, 30, true}, {0, 0, 10_000, false}} {
		at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
		if got := ClockFault(at(tc.before), at(tc.at), at(tc.received)); (got != "") != tc.isFault {
			t.Error(fmt.Sprintf("%+v", tc), got)
		}
	}
}
