package fleet

import (
	"fmt"
	"iter"
	"time"
)

// Link is the place of an envelope in the chain of its source.
type Link struct {
	Seq          uint64
	Digest, Prev Digest
	At           time.Time
}

// LinkOf returns the place of an envelope that [Open] returned.
func LinkOf(e Envelope, sealed []byte) Link { return Link{e.Seq, DigestOf(sealed), e.Prev, e.At} }

// Links are those of a source that are kept already. Absent means that none is
// kept at that place.
type Links interface {
	At(seq uint64) (l Link, absent bool, err error)
}

// Judgement is what follows from an envelope.
type Judgement string

// Judgements. An envelope may arrive more than once, and in any order.
const (
	New   Judgement = "new"   // keep it
	Again Judgement = "again" // it is kept already
	Fork  Judgement = "fork"  // two hosts have the key, or one signed two stories: nothing of the source is trusted
)

// Judge says what an envelope is beside those that are kept, and why if it is a fork.
func Judge(kept Links, l Link) (j Judgement, why string, err error) {
	same, absent, err := kept.At(l.Seq)
	if err != nil {
		return "", "", err
	}
	if !absent {
		if same.Digest == l.Digest {
			return Again, "", nil
		}
		return Fork, fmt.Sprintf("there are two envelopes %d", l.Seq), nil
	}
	if l.Seq > 1 {
		before, absent, err := kept.At(l.Seq - 1)
		if err != nil {
			return "", "", err
		}
		if !absent && before.Digest != l.Prev {
			return Fork, fmt.Sprintf("envelope %d follows another %d than the one that is kept", l.Seq, before.Seq), nil
		}
	}
	after, absent, err := kept.At(l.Seq + 1)
	if err != nil {
		return "", "", err
	}
	if !absent && after.Prev != l.Digest {
		return Fork, fmt.Sprintf("envelope %d is not the one that the kept %d follows", l.Seq, after.Seq), nil
	}
	return New, "", nil
}

// Range is a range of envelopes, both ends included.
type Range struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// Missing returns the ranges that are not among the numbers, which rise, below the last of
// them. What is missing is never taken for good.
func Missing(numbers iter.Seq[uint64]) (missing []Range) {
	next := uint64(1)
	for n := range numbers {
		if n > next {
			missing = append(missing, Range{next, n - 1})
		}
		next = n + 1
	}
	return missing
}

// maxSkew is how far the clock of a host may be ahead of the hub's.
const maxSkew = 10 * time.Minute

// ClockFault says what is wrong with the time of an envelope that was received at a time, after
// an envelope of another time; "" is nothing. A clock may be set back by as much as it may be
// ahead.
func ClockFault(before, at, received time.Time) string {
	switch {
	case at.After(received.Add(maxSkew)):
		return fmt.Sprintf("its clock is %s ahead", at.Sub(received).Round(time.Second))
	case at.Before(before.Add(-maxSkew)):
		return fmt.Sprintf("its clock went back by %s", before.Sub(at).Round(time.Second))
	}
	return ""
}
