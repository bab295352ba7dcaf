package stack

import (
	"cmp"
	"strings"
)

// Report is how a verb ended on one stack.
type Report struct {
	Verb    string
	Stack   string
	Unit    string
	Outcome Outcome
	Message string   // one line
	Details []string // what exactly, a line each; from outside, so not safe to print as they are
	Hint    string   // what to do next
}

// Problem is one thing that is wrong.
type Problem struct {
	Outcome Outcome
	Message string
	Details []string
	Hint    string
}

func (s Stack) report(verb string, outcome Outcome, message string) Report {
	return Report{Verb: verb, Stack: s.Name, Unit: s.Unit, Outcome: outcome, Message: message}
}

func (s Stack) failed(verb string, p Problem) Report {
	r := s.report(verb, p.Outcome, p.Message)
	r.Details, r.Hint = p.Details, p.Hint
	return r
}

// byStatus puts the problem first whose exit status the verb ends with.
func byStatus(a, b Problem) int { return cmp.Compare(a.Outcome.Status, b.Outcome.Status) }

func lines(err error) []string { return strings.Split(err.Error(), "\n") }

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
