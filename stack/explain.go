package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
)

// How much of a failed service is shown.
const (
	logLines     = 10
	healthRuns   = 3
	explainLimit = 10 * time.Second
	maxExplained = 10 // containers; of the others only the finding is shown
	shownOfLine  = 500
)

// explain adds to each finding what the container itself has to say: its exit
// code, its last lines, and what its health check said.
func (p projectPodman) explain(ctx context.Context, o observation) []string {
	limited, cancel := context.WithTimeout(ctx, explainLimit)
	defer cancel()
	var out, explained []string
	for _, d := range o.findings {
		out = append(out, d.Message)
		name := textIn(d.Evidence, "container")
		if name == "" || slices.Contains(explained, name) || len(explained) == maxExplained {
			continue
		}
		explained = append(explained, name)
		if c := containerIn(o.doc, name); c != nil {
			out = append(out, p.checksAndLog(limited, *c)...)
		}
	}
	return out
}

func (p projectPodman) checksAndLog(ctx context.Context, c facts.Container) (out []string) {
	runs, err := p.client.HealthLog(ctx, c.ID)
	if err != nil {
		out = append(out, "  its health log cannot be read: "+err.Error())
	}
	if c.Health == "healthy" {
		runs = nil
	}
	for _, run := range runs[max(0, len(runs)-healthRuns):] {
		out = append(out, fmt.Sprintf("  health check %s exited %d: %s",
			run.End.UTC().Format(time.TimeOnly), run.ExitCode, shorten(strings.TrimSpace(run.Output))))
	}
	return append(out, p.lastLines(ctx, c.ID)...)
}

func containerIn(doc *facts.Document, name string) *facts.Container {
	for _, u := range doc.Units {
		for i := range u.Containers {
			if u.Containers[i].Name == name {
				return &u.Containers[i]
			}
		}
	}
	return nil
}

func shorten(line string) string {
	if len(line) <= shownOfLine {
		return line
	}
	return strings.ToValidUTF8(line[:shownOfLine], "") + "…"
}
