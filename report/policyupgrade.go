package report

import (
	"fmt"
	"io"

	"stackpolicy/decide/policy"
	"stackpolicy/internal/text"
)

// PolicyUpgrade writes what an upgrade does to the files of a policy folder, a line for each.
func PolicyUpgrade(w io.Writer, steps []policy.UpgradeStep, o Options) error {
	p := newPrinter(w, o)
	for _, step := range steps {
		line := fmt.Sprintf("%-8s  %s", step.Did, text.Clean(step.File))
		if step.Note != "" {
			line += "  " + text.Clean(step.Note)
		}
		p.line("%s", line)
	}
	return p.err
}
