package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// event is one line of go test -json (go doc test2json).
type event struct {
	Action  string
	Test    string
	Elapsed float64 // seconds
	Output  string
}

// result is how a scenario ended on a release.
type result struct {
	action string // pass, fail, skip
	took   time.Duration
}

// results by release and scenario.
type results map[[2]string]result

// read reads the events of a run until they end. It writes the output of what did not pass
// to log.
func read(stream io.Reader, log io.Writer) (results, error) {
	found, said := results{}, map[string]*strings.Builder{}
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, fmt.Errorf("read the results: %w", err)
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			fmt.Fprintf(log, "%s", line) // errors of the build are printed unchanged
			continue
		}
		note(e, found, said, log)
	}
}

func note(e event, found results, said map[string]*strings.Builder, log io.Writer) {
	if said[e.Test] == nil {
		said[e.Test] = &strings.Builder{}
	}
	switch e.Action {
	case "build-output":
		fmt.Fprint(log, e.Output)
	case "output":
		said[e.Test].WriteString(e.Output)
	case "pass", "fail", "skip":
		took := time.Duration(e.Elapsed * float64(time.Second))
		if e.Action != "pass" {
			fmt.Fprint(log, said[e.Test])
		}
		delete(said, e.Test)
		if parts := strings.Split(e.Test, "/"); len(parts) == 3 {
			found[[2]string{parts[1], parts[2]}] = result{e.Action, took}
			fmt.Fprintf(log, "%s %s/%s (%s)\n", e.Action, parts[1], parts[2], seconds(took))
		}
	}
}

// verdict returns an error unless everything that was selected has passed.
func (r results) verdict(s selection) error {
	failed, missing := 0, 0
	for _, suite := range s.suites {
		for _, scenario := range s.scenarios {
			switch r[[2]string{suite, scenario}].action {
			case "pass":
			case "fail":
				failed++
			default:
				missing++
			}
		}
	}
	if failed+missing == 0 {
		return nil
	}
	return fmt.Errorf("%d failed, %d did not run", failed, missing)
}
