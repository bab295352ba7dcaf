package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// The contestants. Stackpolicy and conftest exit with more than 0 because of
// what they find, which is right here.

func (t tools) eval(document string) contestant {
	return contestant{[]string{t.stackpolicy, "eval", "-o", "json", "--facts", document}, []int{0, 1, 2}}
}

func (t tools) audit() contestant {
	return contestant{[]string{t.stackpolicy, "eval", "-o", "json"}, []int{0, 1, 2}}
}

func (t tools) conftestTest(r rules, document string) contestant {
	return contestant{[]string{
		t.conftest, "test", "--policy", r.dir, "--policy", r.wrapper, "--data", r.settings,
		"--namespace", "stackpolicy.conftest", "--output", "json", document,
	}, []int{0, 1}}
}

func (t tools) opaEval(r rules, document string) contestant {
	return contestant{[]string{t.opa, "eval", "-d", r.dir, "-i", document, "data.stackpolicy.findings"}, []int{0}}
}

func show(units []string) contestant {
	return contestant{append([]string{"systemctl", "--user", "show"}, units...), []int{0}}
}

// A counter reads a contestant's output and says how many findings there are.
type counter func(output []byte) (int, error)

func countReport(output []byte) (int, error) {
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

func countConftest(output []byte) (int, error) {
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

func countOPA(output []byte) (int, error) {
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

// count runs a contestant, which also warms what it reads, and counts what it
// found.
func (p place) count(ctx context.Context, c contestant, count counter) (int, error) {
	if _, err := p.measure(ctx, c); err != nil {
		return 0, err
	}
	output, err := os.ReadFile(p.output)
	if err != nil {
		return 0, fmt.Errorf("read what %s found: %w", c.argv[0], err)
	}
	n, err := count(output)
	if err != nil {
		return 0, fmt.Errorf("read what %s found: %w", c.argv[0], err)
	}
	return n, nil
}

// sameFindings is the condition of every comparison: both sides did the same
// work. Nothing found is no proof of that.
func sameFindings(ours, theirs int) error {
	if ours != theirs || ours == 0 {
		return fmt.Errorf("stackpolicy has %d findings and the other %d", ours, theirs)
	}
	return nil
}
