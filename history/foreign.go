package history

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrForeign means that a shipment is none that [Store.Export] returns: nothing of it was added.
var ErrForeign = errors.New("no version of stackpolicy makes such evidence")

// Bounds of what somebody else sends. A message of the fleet is compressed, so that a small one
// could make the copy of a history large, or what reads it.
const (
	maxShippedRows    = 20_000    // of each kind
	maxShippedParts   = 50_000    // also of one document
	maxShippedNames   = 2_000_000 // parts of all documents together
	maxShippedSpan    = 16 << 10  // bytes of text of each
	maxShippedFinding = 64 << 10  // a host's own are far smaller
	maxShippedAction  = 256 << 10
	maxShippedRules   = 1 << 10 // of their digest
	maxShippedTexts   = 32 << 20
)

// check returns an [ErrForeign] for a shipment that is larger than any that a host makes.
func (s Shipment) check() error {
	rows := max(len(s.Spans), len(s.Findings), len(s.Actions), len(s.Rules), len(s.Forgotten), len(s.Documents))
	if rows > maxShippedRows || len(s.Parts) > maxShippedParts {
		return fmt.Errorf("%w: it has %d rows and %d parts", ErrForeign, rows, len(s.Parts))
	}
	var names int64
	for _, all := range s.Documents {
		n, err := countNumbers(all)
		if names += n; err == nil && names > maxShippedNames {
			err = fmt.Errorf("%w: its documents have more than %d parts", ErrForeign, maxShippedNames)
		}
		if err != nil {
			return err
		}
	}
	return s.checkTexts()
}

func (s Shipment) checkTexts() error {
	total := 0
	fits := func(size, limit int) bool {
		total += size
		return size <= limit && total <= maxShippedTexts
	}
	ok := true
	for _, x := range s.Spans {
		ok = fits(len(x.Mode)+len(x.Policy)+len(x.Gaps)+len(x.Verdict), maxShippedSpan) && ok
	}
	for _, x := range s.Findings {
		ok = fits(len(x.Finding), maxShippedFinding) && ok
	}
	for _, x := range s.Actions {
		ok = fits(len(x.Action)+len(x.Subject)+len(x.Reasons)+len(x.Status)+len(x.Message), maxShippedAction) && ok
	}
	for _, x := range s.Rules {
		ok = fits(len(x.Digest), maxShippedRules) && ok
	}
	if !ok {
		return fmt.Errorf("%w: its rows have %d bytes, or one has too many", ErrForeign, total)
	}
	return nil
}

// countNumbers returns how many numbers runs have, if a document may have them.
func countNumbers(all []Run) (n int64, err error) {
	for _, r := range all {
		if r[0] <= 0 || r[0] > maxNumber || r[1] < 0 || r[1] >= maxShippedParts || n+r[1] >= maxShippedParts {
			return 0, fmt.Errorf("%w: the parts of a document are %d and %d more", ErrForeign, r[0], r[1])
		}
		n += r[1] + 1
	}
	return n, nil
}

// numbersOf returns the numbers of runs that were counted.
func numbersOf(all []Run) (numbers []int64) {
	for _, r := range all {
		for i := range r[1] + 1 {
			numbers = append(numbers, r[0]+i)
		}
	}
	return numbers
}

// maxWeight bounds the values of a document, of all its parts together. A value takes up to a
// hundred times as much memory as its JSON.
const maxWeight = 4_000_000

var errWeight = fmt.Errorf("it has more than %d values", maxWeight)

// weightOf returns about how many values a JSON text has.
func weightOf(text []byte) (n int) {
	for _, c := range []byte("{[,") {
		n += bytes.Count(text, []byte{c})
	}
	return n
}
