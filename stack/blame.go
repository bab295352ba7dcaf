package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
)

// How much of a failed service is told.
const (
	logLines    = 10
	healthRuns  = 3
	blameLimit  = 10 * time.Second
	maxBlamed   = 10 // containers; the rest is only named
	shownOfLine = 500
)

// blame tells of each finding what the container itself has to say: its exit
// code, its last lines, and what its health check said.
func (o *Operator) blame(ctx context.Context, l look) []string {
	limited, cancel := context.WithTimeout(ctx, blameLimit)
	defer cancel()
	var out, told []string
	for _, d := range l.findings {
		out = append(out, d.Message)
		name := text(d.Evidence, "container")
		if name == "" || slices.Contains(told, name) || len(told) == maxBlamed {
			continue
		}
		told = append(told, name)
		if c := containerIn(l.doc, name); c != nil {
			out = append(out, o.testimony(limited, *c)...)
		}
	}
	return out
}

func (o *Operator) testimony(ctx context.Context, c facts.Container) (out []string) {
	runs, err := o.Podman.HealthLog(ctx, c.ID)
	if err != nil {
		out = append(out, "  its health log cannot be read: "+err.Error())
	}
	if c.Health == "healthy" {
		runs = nil
	}
	for _, run := range runs[max(0, len(runs)-healthRuns):] {
		out = append(out, fmt.Sprintf("  health check %s exited %d: %s",
			run.End.UTC().Format(time.TimeOnly), run.ExitCode, cut(strings.TrimSpace(run.Output))))
	}
	return append(out, o.lastWords(ctx, c.ID)...)
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

func cut(line string) string {
	if len(line) <= shownOfLine {
		return line
	}
	return strings.ToValidUTF8(line[:shownOfLine], "") + "…"
}
