package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"stackpolicy/decide/policy"
	"stackpolicy/internal/text"
)

// PolicyDifferences writes what a policy folder changes of the built-in policies, a line for
// each difference; unified also writes the lines that differ, as diff -u does.
func PolicyDifferences(w io.Writer, list []policy.Difference, unified bool, o Options) error {
	p := newPrinter(w, o)
	for _, d := range list {
		line := fmt.Sprintf("%-8s  %s", d.Kind, text.Clean(d.Name))
		if d.Note != "" {
			line += "  " + text.Clean(d.Note)
		}
		p.line("%s", line)
		for _, f := range d.Files {
			if unified {
				p.lines(string(diff.Diff("built-in/"+f.Name, f.Old, f.Name, f.New)))
			}
		}
	}
	return p.err
}

// lines writes lines that are not wrapped.
func (p *printer) lines(block string) {
	for _, l := range strings.Split(strings.TrimSuffix(block, "\n"), "\n") {
		p.line("%s", text.Clean(strings.ReplaceAll(l, "\t", "    ")))
	}
}
