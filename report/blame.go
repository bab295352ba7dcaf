package report

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/text"

	"stackpolicy/facts"
	"stackpolicy/facts/blame"
	"stackpolicy/internal/output"
	"stackpolicy/internal/text"
)

// Blamed is where the settings of a unit come from, and how to show it.
type Blamed struct {
	blame.Blame
	Asked string // the name that was asked for, which may be an alias
	Options
}

// BlameFormats lists every way to write where settings come from.
func BlameFormats() []output.Format[Blamed] {
	return []output.Format[Blamed]{
		{Name: "text", Write: writeBlame},
		{Name: "json", Write: func(w io.Writer, b Blamed) error { return JSON(w, b.Blame) }},
	}
}

// How wide the column of places may be, and how much of a value that does not count is shown.
const (
	widestPlace = 28
	longestOld  = 200
)

// writeBlame writes the files and then the settings. A value is not wrapped, so that it can be
// copied.
func writeBlame(w io.Writer, b Blamed) error {
	p := blamePrinter{printer: newPrinter(w, b.Options), Blamed: b, labels: shortNames(named(b.Blame))}
	p.head()
	for _, f := range b.Files {
		p.file(f)
	}
	for _, s := range b.Settings {
		p.setting(s)
	}
	if len(b.Ignored) > 0 {
		p.line("")
		p.line("Without effect:")
	}
	for _, i := range b.Ignored {
		p.paragraph(2, p.place(i.File, i.Line)+"  ", i.Reason)
	}
	p.foot()
	return p.err
}

type blamePrinter struct {
	*printer
	Blamed
	labels  map[string]string // path -> its short name
	section string            // the one whose settings are being written
	marked  bool              // a setting has a mark
}

func (p *blamePrinter) head() {
	by := map[string]string{"": "not managed", facts.ByHomeManager: "managed by Home Manager", facts.ByConfig: "managed by config.yaml"}[p.ManagedBy]
	p.paragraph(0, "", p.Unit+"  "+by, pretty.Bold)
	if p.Asked != p.Unit {
		p.paragraph(2, "", p.Asked+" is an alias of it")
	}
	if p.Source != "" {
		p.paragraph(2, "", "generated from "+p.Source)
	}
	isMask := p.Masked && p.LoadState == "masked"
	if p.LoadState != "loaded" && p.LoadState != "" && !isMask {
		p.paragraph(2, "", "the manager says: "+p.LoadState)
	}
	if p.Masked {
		p.paragraph(2, "", "masked: none of its settings counts")
	}
	p.line("")
}

func (p *blamePrinter) file(f facts.File) {
	label := p.labels[f.Path]
	p.line("  %s", text.Clean(f.Path))
	if label != "" && label != filepath.Base(f.Path) {
		p.paragraph(4, "", "shown as "+label)
	}
	p.paragraph(4, "", stateOf(f)+"; "+p.useOf(f))
}

// stateOf says how a file compares to its declaration.
func stateOf(f facts.File) string {
	words := map[string]string{
		facts.StateIdentical: "a copy of what is declared", facts.StateDifferent: "not as it is declared",
		facts.StateOther: "of another generation", facts.StatePending: "of a generation that is not activated to its end",
		facts.StateDangling: "a link to nothing", facts.StateForeign: "a link, not the declared one", facts.StateMask: "a mask",
		facts.StateDirectory: "a folder", facts.StateUnsafe: "declared, but others can change it", facts.StateUnreadable: "cannot be read",
		facts.StateUndeclared: "not declared",
	}
	return cmp.Or(words[f.State], f.State)
}

// useOf says whether the manager has read a file, and would read it now.
func (p *blamePrinter) useOf(f facts.File) string {
	switch {
	case f.Loaded && !f.Effective:
		return "loaded until the next daemon-reload, and not used then"
	case f.Loaded && f.ChangedAfterLoad:
		return "loaded, and may have changed since"
	case f.Loaded:
		return "loaded"
	case f.Effective && p.LoadState == "":
		return "used by each instance"
	case f.Effective:
		return "not loaded yet: the next daemon-reload reads it"
	case f.Kind == "missing":
		return "not there"
	}
	return "not used: another file comes before it"
}

func (p *blamePrinter) setting(s blame.Setting) {
	if s.Section != p.section {
		p.section = s.Section
		p.line("")
		p.line("%s", p.paint("["+text.Clean(s.Section)+"]", pretty.Bold))
	}
	mark := "  "
	if p.isOdd(s) {
		mark, p.marked = p.paint("! ", pretty.FgYellow), true
	}
	place := p.place(s.File, s.Line)
	room := strings.Repeat(" ", max(p.widest()-text.Width(place), 0))
	p.line("%s", strings.TrimRight(mark+place+room+"  "+text.Clean(s.Key+"="+s.Value), " "))
	for _, o := range s.Overrides {
		old := text.Clip(cmp.Or(o.Key, s.Key)+"="+o.Value, longestOld)
		p.line("%s", strings.TrimRight("    instead of "+p.place(o.File, o.Line)+"  "+text.Clean(old), " "))
	}
}

// isOdd reports whether a setting is not what is declared and loaded. A template is not loaded,
// and what is not managed is not declared.
func (p *blamePrinter) isOdd(s blame.Setting) bool {
	return p.ManagedBy != "" && !s.Declared || p.LoadState != "" && !s.Loaded
}

// place is the file and line of a setting.
func (p *blamePrinter) place(path string, line int) string {
	return fmt.Sprintf("%s:%d", text.Clean(p.labels[path]), line)
}

// widest is the width of the column of places.
func (p *blamePrinter) widest() int {
	widest := 0
	for _, s := range p.Settings {
		if w := text.Width(p.place(s.File, s.Line)); w <= widestPlace {
			widest = max(widest, w)
		}
	}
	return widest
}

func (p *blamePrinter) foot() {
	if len(p.Settings) == 0 && !p.Masked {
		p.line("")
		p.line("No file of it has a setting that counts.")
	}
	if !p.marked {
		return
	}
	p.line("")
	p.paragraph(0, "! ", "not declared, or perhaps not loaded yet")
	if p.ManagedBy != "" {
		p.paragraph(2, "", "What to do: `stackpolicy explain "+p.Unit+"`")
	}
}

// named lists the files of which lines are shown.
func named(b blame.Blame) (paths []string) {
	for _, s := range b.Settings {
		paths = append(paths, s.File)
		for _, o := range s.Overrides {
			paths = append(paths, o.File)
		}
	}
	for _, i := range b.Ignored {
		paths = append(paths, i.File)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// shortNames returns a name of each file by its path: the last part of the path, and more where
// two have the same. No path is there twice.
func shortNames(files []string) map[string]string {
	short := map[string]string{}
	for parts := 1; len(short) < len(files); parts++ {
		of := map[string][]string{}
		for _, path := range files {
			if _, named := short[path]; !named {
				label := lastParts(path, parts)
				of[label] = append(of[label], path)
			}
		}
		for label, paths := range of {
			if len(paths) == 1 {
				short[paths[0]] = label
			}
		}
	}
	return short
}

func lastParts(path string, n int) string {
	at := len(path)
	for range n {
		if at = strings.LastIndexByte(path[:at], '/'); at < 0 {
			return path
		}
	}
	return path[at+1:]
}
