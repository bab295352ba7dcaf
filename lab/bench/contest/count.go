package contest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// A Counter returns the number of findings in a contestant's output.
type Counter func(output []byte) (int, error)

// CountReport counts the findings in a report of stackpolicy.
func CountReport(output []byte) (int, error) {
	var r struct {
		Decisions []struct{ Effect, Severity string }
	}
	if err := json.Unmarshal(output, &r); err != nil {
		return 0, err
	}
	n := 0
	for _, d := range r.Decisions {
		if d.Effect != "allow" {
			n++
		}
	}
	return n, nil
}

// CountConftest counts the findings in the output of conftest test.
func CountConftest(output []byte) (int, error) {
	var files []struct{ Failures []json.RawMessage }
	if err := json.Unmarshal(output, &files); err != nil {
		return 0, err
	}
	n := 0
	for _, f := range files {
		n += len(f.Failures)
	}
	return n, nil
}

// CountOPA counts the findings in the output of opa eval.
func CountOPA(output []byte) (int, error) {
	var answer struct {
		Result []struct {
			Expressions []struct {
				Value map[string][]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(output, &answer); err != nil {
		return 0, err
	}
	n := 0
	for _, r := range answer.Result {
		for _, e := range r.Expressions {
			for _, findings := range e.Value {
				n += len(findings)
			}
		}
	}
	return n, nil
}

// Agree checks that stackpolicy and another contestant have the same number of findings.
func (p Place) Agree(ctx context.Context, ours, theirs Contestant, theirCount Counter) error {
	n, err := p.count(ctx, ours, CountReport)
	if err != nil {
		return err
	}
	m, err := p.count(ctx, theirs, theirCount)
	if err != nil {
		return err
	}
	return sameFindings(n, m)
}

// count runs a contestant once and counts its findings. The files that it reads are then in
// the page cache.
func (p Place) count(ctx context.Context, c Contestant, count Counter) (int, error) {
	if _, err := p.Measure(ctx, c); err != nil {
		return 0, err
	}
	output, err := os.ReadFile(p.Output)
	if err != nil {
		return 0, fmt.Errorf("read what %s found: %w", c.Argv[0], err)
	}
	n, err := count(output)
	if err != nil {
		return 0, fmt.Errorf("read what %s found: %w", c.Argv[0], err)
	}
	return n, nil
}

// sameFindings returns an error unless both numbers are equal and above 0: only then did
// both sides do the same work.
func sameFindings(ours, theirs int) error {
	if ours != theirs || ours == 0 {
		return fmt.Errorf("stackpolicy has %d findings and the other %d", ours, theirs)
	}
	return nil
}
