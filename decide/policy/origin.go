package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stackpolicy/finding"
	"stackpolicy/internal/text"
)

// Provenance says where an invariant comes from.
type Provenance string

// A built-in invariant of a complete folder is one whose rule is the built-in one.
const (
	FromBuiltin  Provenance = "built-in"
	FromOwn      Provenance = "own"
	FromReplaced Provenance = "replaced" // a rule in place of the built-in one of the same id
)

// Since says what became of the built-in rule that one was made from.
type Since string

// It is unknown if neither METADATA nor the folder's base says which rule it was.
const (
	SinceUnchanged Since = "unchanged"
	SinceChanged   Since = "changed"
	SinceUnknown   Since = "unknown"
	SinceRemoved   Since = "removed" // there is no built-in invariant of this id any more
	SinceNew       Since = "new"     // the built-in rule was not there when the layer was last upgraded
)

// Origin says where an invariant comes from, and what became of the built-in rule since the
// folder was made or last upgraded.
type Origin struct {
	From  Provenance
	Since Since // empty: nothing, or there is no built-in rule
}

// Origins are those of a folder's invariants, compared with the built-in ones.
type Origins struct {
	ByID map[string]Origin
	// Missing are the ids of built-in invariants that the folder does not have.
	Missing []string
	// Below are the changes below a layer since it was last upgraded.
	Below []BelowChange

	sums map[string]string // of the built-in rules, by file
	base Base
}

// BelowChange is a built-in rule below a layer that is not as it was when the layer was last
// upgraded.
type BelowChange struct {
	File  string
	Since Since // changed, new or removed
}

// OriginsOf compares the invariants of a source, whose folder has this base, with the built-in
// policies.
func OriginsOf(s Source, invariants []Invariant, base Base, builtin Source) Origins {
	o := Origins{ByID: map[string]Origin{}, sums: SumsOf(builtin), base: base}
	own := SumsOf(s)
	for _, inv := range invariants {
		o.ByID[inv.ID] = o.of(inv, own[ruleFile(inv.ID)], s.isBuiltin(ruleFile(inv.ID)))
	}
	for _, name := range slices.Sorted(maps.Keys(o.sums)) {
		if id := ruleID(name); id != "" && own[name] == "" {
			o.Missing = append(o.Missing, id)
		}
	}
	if base.Sums != nil {
		o.Below = changesBelow(base.Sums, o.sums, func(name string) bool { return own[name] != "" && !s.isBuiltin(name) })
	}
	return o
}

// changesBelow compares the digests of the built-in rules that are not replaced.
func changesBelow(was, now map[string]string, isReplaced func(string) bool) (list []BelowChange) {
	for name, sum := range now {
		switch {
		case isReplaced(name), was[name] == sum:
		case was[name] == "":
			list = append(list, BelowChange{name, SinceNew})
		default:
			list = append(list, BelowChange{name, SinceChanged})
		}
	}
	for name := range was {
		if now[name] == "" && !isReplaced(name) {
			list = append(list, BelowChange{name, SinceRemoved})
		}
	}
	slices.SortFunc(list, func(a, b BelowChange) int { return cmp.Compare(a.File, b.File) })
	return list
}

// of compares a rule, which a layer may have from below, with the built-in one and with the
// one that it was made from.
func (o Origins) of(inv Invariant, digest string, below bool) Origin {
	builtin, was := o.sums[ruleFile(inv.ID)], o.base.sum(ruleFile(inv.ID))
	made := cmp.Or(inv.Replaces, was)
	switch {
	case builtin == "" && made == "":
		return Origin{From: FromOwn}
	case builtin == "":
		return Origin{FromOwn, SinceRemoved}
	case below && o.base.Sums != nil && was == "":
		return Origin{FromBuiltin, SinceNew}
	case digest == builtin && (!below || made == "" || made == builtin):
		return Origin{From: FromBuiltin}
	case below, digest == was: // it was not edited
		return Origin{FromBuiltin, SinceChanged}
	case made == "":
		return Origin{FromReplaced, SinceUnknown}
	case made == builtin:
		return Origin{FromReplaced, SinceUnchanged}
	}
	return Origin{FromReplaced, SinceChanged}
}

// Notes says in one line each what an operator should look at: a replaced invariant whose
// built-in one is not known to be the same, older copies, built-in invariants that the folder
// lacks, and what has changed below a layer.
func (o Origins) Notes() []string {
	var notes, outdated []string
	for id, origin := range o.ByID {
		at := ruleFile(id) + ": "
		builtin := o.sums[ruleFile(id)]
		switch {
		case origin.From == FromBuiltin && origin.Since == SinceChanged && o.base.Sums == nil:
			outdated = append(outdated, id)
		case origin.From == FromBuiltin: // Below has it
		case origin.Since == SinceChanged && o.base.text(ruleFile(id)) != nil:
			notes = append(notes, at+"the built-in rule has changed since it was replaced; merge its changes: stackpolicy policy upgrade")
		case origin.Since == SinceChanged:
			notes = append(notes, at+"the built-in rule has changed since it was replaced; compare them (stackpolicy policy diff -u), then write custom.replaces: "+builtin)
		case origin.Since == SinceUnknown:
			notes = append(notes, at+"it replaces the built-in rule, and nothing says which version of it; compare them (stackpolicy policy diff -u), then write custom.replaces: "+builtin)
		case origin.Since == SinceRemoved:
			note := "it replaces a built-in rule that does not exist any more; remove custom.replaces if you keep it"
			if now := finding.CurrentID(id); now != id {
				note = fmt.Sprintf("the built-in %s is called %s now, and is decided too; rename it, or remove it", id, now)
			}
			notes = append(notes, at+note)
		}
	}
	slices.Sort(notes)
	slices.Sort(outdated)
	if len(outdated) > 0 {
		notes = append(notes, fmt.Sprintf("%s; take the newer: stackpolicy policy upgrade: %s",
			text.Count(len(outdated), "rule is an older version of the built-in one", "rules are older versions of the built-in ones"), strings.Join(outdated, ", ")))
	}
	for _, note := range []string{o.MissingNote(), o.BelowNote()} {
		if note != "" {
			notes = append(notes, note)
		}
	}
	return notes
}

// Noted reports whether Notes tells of a file: of a rule whose built-in one has changed.
func (o Origins) Noted(file string) bool { return o.ByID[ruleID(file)].Since == SinceChanged }

// BelowNote says what has changed below a layer since it was last upgraded; "" if nothing has.
func (o Origins) BelowNote() string {
	if len(o.Below) == 0 {
		return ""
	}
	list := make([]string, len(o.Below))
	for i, c := range o.Below {
		list[i] = fmt.Sprintf("%s (%s)", c.File, c.Since)
	}
	return "the built-in rules below this layer are not those of its last upgrade; see what that changes (stackpolicy impact), then note it: stackpolicy policy upgrade: " + strings.Join(list, ", ")
}

// MissingNote names the built-in invariants that the folder lacks; "" if there are none.
func (o Origins) MissingNote() string {
	switch len(o.Missing) {
	case 0:
		return ""
	case 1:
		return "1 built-in invariant is not in this folder: " + o.Missing[0]
	}
	return fmt.Sprintf("%d built-in invariants are not in this folder: %s", len(o.Missing), strings.Join(o.Missing, ", "))
}
