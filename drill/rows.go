package drill

import (
	"slices"
	"strings"
)

// row is one way to break things, or, if finds is empty, one way of being right that looks
// wrong.
type row struct {
	name  string
	does  string   // what is done, in plain words
	finds []string // "invariant subject" of what the built-in rules find
	heals bool     // an enforcing audit heals it by the built-in rules and settings
	do    func(*stage) error

	needs   func(*stage) string // why it cannot be drilled here; nil or "": it can
	refused bool                // a finding asks for an action, and a guard refuses it
	moves   bool                // the units of the row change by themselves
	spoils  bool                // the scene is of no use afterwards
	all     bool                // every finding counts, and not only new ones
}

// Rows returns the names of all rows, in their order.
func Rows() []string {
	var names []string
	for _, r := range rows() {
		names = append(names, r.name)
	}
	return names
}

// Does says what the row of that name does, in plain words; "" if no row has that name.
func Does(name string) string {
	for _, r := range rows() {
		if r.name == name {
			return r.does
		}
	}
	return ""
}

func rows() []row {
	return slices.Concat(inOrder, ofFiles, ofLinks, ofUnits, ofStacks, ofHost, ofMemory)
}

func (r row) isRight() bool { return len(r.finds) == 0 }

// subjects are those that findings of the row may be about.
func (r row) subjects() []string {
	all := []string{"host"}
	for _, f := range r.finds {
		_, subject, _ := strings.Cut(f, " ")
		if !slices.Contains(all, subject) {
			all = append(all, subject)
		}
	}
	return all
}

// wrongAbout are the subjects of which one must be found.
func (r row) wrongAbout() []string {
	var all []string
	for _, f := range r.finds {
		_, subject, _ := strings.Cut(f, " ")
		all = append(all, subject)
	}
	return all
}
