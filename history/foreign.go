package history

import (
	"errors"
	"fmt"
)

// ErrForeign means that a shipment is none that [Store.Export] returns: nothing of it was added.
var ErrForeign = errors.New("no version of stackpolicy makes such evidence")

// Bounds of what somebody else sends. A message of the fleet is compressed, so that a small one
// could make the copy of a history large.
const (
	maxShippedRows    = 20_000    // of each kind
	maxShippedParts   = 50_000    // also of one document
	maxShippedNames   = 2_000_000 // parts of all documents together
	maxShippedFinding = 256 << 10 // bytes; a host's own are far smaller
	maxShippedText    = 4 << 20   // bytes of one row
	maxShippedTexts   = 32 << 20  // bytes of all rows
)

// check returns an [ErrForeign] for a shipment that is larger than any that a host makes.
func (s Shipment) check() error {
	rows := max(len(s.Spans), len(s.Findings), len(s.Actions), len(s.Rules), len(s.Forgotten), len(s.Documents))
	if rows > maxShippedRows || len(s.Parts) > maxShippedParts {
		return fmt.Errorf("%w: it has %d rows and %d parts", ErrForeign, rows, len(s.Parts))
	}
	var names, texts int64
	for _, all := range s.Documents {
		n, err := countNumbers(all)
		if names += n; err == nil && names > maxShippedNames {
			err = fmt.Errorf("%w: its documents have more than %d parts", ErrForeign, maxShippedNames)
		}
		if err != nil {
			return err
		}
	}
	for _, f := range s.Findings {
		if len(f.Finding) > maxShippedFinding {
			return fmt.Errorf("%w: a finding of %d bytes", ErrForeign, len(f.Finding))
		}
	}
	for _, size := range s.textSizes() {
		if texts += int64(size); size > maxShippedText || texts > maxShippedTexts {
			return fmt.Errorf("%w: a row of %d bytes, beside %d", ErrForeign, size, texts)
		}
	}
	return nil
}

// textSizes returns how many bytes of text each row has.
func (s Shipment) textSizes() (sizes []int) {
	for _, x := range s.Spans {
		sizes = append(sizes, len(x.Mode)+len(x.Policy)+len(x.Gaps)+len(x.Verdict))
	}
	for _, x := range s.Findings {
		sizes = append(sizes, len(x.Finding))
	}
	for _, x := range s.Actions {
		sizes = append(sizes, len(x.Action)+len(x.Subject)+len(x.Reasons)+len(x.Status)+len(x.Message))
	}
	for _, x := range s.Rules {
		sizes = append(sizes, len(x.Digest))
	}
	return sizes
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
