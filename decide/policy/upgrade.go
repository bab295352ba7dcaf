package policy

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"stackpolicy/internal/diff3"
	"stackpolicy/internal/text"
)

// Did says what an upgrade does to a file.
type Did string

const (
	DidTake     Did = "taken"    // it was not edited, and is now the newer built-in one
	DidMerge    Did = "merged"   // it has its edits and the changes of the built-in one
	DidConflict Did = "conflict" // like merged; where both changed the same lines, it has both, marked
	DidAdd      Did = "added"    // a new built-in file
	DidRemove   Did = "removed"  // it was not edited, and is no longer built in
	DidKeep     Did = "kept"     // it stays as it is, and the note says why
	DidNotKnow  Did = "no base"  // it stays as it is: nothing says which built-in file it was made from
	DidNote     Did = "built-in" // a rule below the layer; the note says what became of it
)

// UpgradeStep is what an upgrade does to one file. What stays as it is, and has nothing to be said, has
// no step.
type UpgradeStep struct {
	File string
	Did  Did
	Note string // may be empty
}

// Upgrade is what brings a folder to newer built-in policies.
type Upgrade struct {
	Steps  []UpgradeStep     // sorted by file
	Change map[string][]byte // the new text of files; nil: it is removed
	Base   Base              // of the upgraded folder
}

// Unfinished returns the files that a person has to look at: with conflicts, or without a base.
func (u Upgrade) Unfinished() (files []string) {
	for _, step := range u.Steps {
		if step.Did == DidConflict || step.Did == DidNotKnow {
			files = append(files, step.File)
		}
	}
	return files
}

// Has reports whether something is done to a file.
func (u Upgrade) Has(did Did) bool {
	return slices.ContainsFunc(u.Steps, func(s UpgradeStep) bool { return s.Did == did })
}

// PlanUpgrade merges the changes of the built-in policies, of this version, into a folder with
// this base: into all of its files, or in a layer into the invariants that replace built-in
// ones. The folder is as [OpenWithTests] reads it, without what is below it. With adopt, the
// base of what has none is the built-in file as it is now. A whole folder is an error
// otherwise if its base is not that of a copy: nobody knows what was removed from it, and what
// is new.
func PlanUpgrade(folder Source, base Base, builtin Source, version string, adopt bool) (Upgrade, error) {
	p := planner{mine: folder, base: base, builtin: builtin, whole: folder.standsAlone(), adopt: adopt, theirs: "built in " + version,
		Upgrade: Upgrade{Change: map[string][]byte{}, Base: Base{Merged: base.Merged}}}
	if p.whole && base.text(rootFile) == nil && !adopt {
		return Upgrade{}, fmt.Errorf("%s has no %s of a copy, which says what its files were made from; make a new copy beside it (stackpolicy policy copy), and bring your changes there (stackpolicy policy diff -u). Or, if you have compared it with the built-in policies as they are now, say so with --adopt", folder.Name, BaseFile)
	}
	if base.Merged {
		settings, err := defaultSettings().YAML()
		if err != nil {
			return Upgrade{}, err
		}
		p.builtin = builtin.with(File{Name: SettingsFile, Text: settings})
	}
	for _, part := range p.parts() {
		p.upgrade(part)
	}
	if !p.whole {
		p.Base.Sums = SumsOf(builtin)
		p.noteBelow()
	}
	p.Base.sort()
	slices.SortFunc(p.Steps, func(a, b UpgradeStep) int { return cmp.Compare(a.File, b.File) })
	return p.Upgrade, nil
}

// with returns the source with another text of a file that it has.
func (s Source) with(file File) Source {
	s.Files = slices.Clone(s.Files)
	for i, f := range s.Files {
		if f.Name == file.Name {
			s.Files[i] = file
		}
	}
	return s
}

type planner struct {
	Upgrade
	mine, builtin Source
	base          Base
	whole, adopt  bool
	theirs        string // name of the built-in side of a conflict
}

// three are the versions of a file; nil: it does not exist.
type three struct {
	name               string
	mine, base, theirs []byte
}

func (f three) edited() bool  { return !same(f.mine, f.base) }
func (f three) changed() bool { return !same(f.base, f.theirs) }

func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// parts returns the files by what they are kept or removed with, in order: each invariant, and
// each other file alone.
func (p *planner) parts() [][]three {
	var names []string
	for _, files := range [][]File{p.mine.Files, p.base.Files, p.builtin.Files} {
		for _, f := range files {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	ruled := p.mine.ruled()
	byPart := map[string]int{}
	var parts [][]three
	for _, name := range slices.Compact(names) {
		key := partOf(name)
		if !p.whole && !ruled[key] {
			continue
		}
		i, known := byPart[key]
		if !known {
			i = len(parts)
			byPart[key], parts = i, append(parts, nil)
		}
		parts[i] = append(parts[i], three{name, p.mine.text(name), p.base.text(name), p.builtin.text(name)})
	}
	return parts
}

// upgrade plans for the files of an invariant, or for one other file.
func (p *planner) upgrade(part []three) {
	kept := slices.Clone(part)
	compared := alignReplaces(part)
	for i := range part {
		if p.adopt && part[i].base == nil {
			part[i].base = part[i].theirs
		}
	}
	has := func(text func(three) []byte) bool {
		return slices.ContainsFunc(part, func(f three) bool { return text(f) != nil })
	}
	mine := has(func(f three) []byte { return f.mine })
	base := has(func(f three) []byte { return f.base })
	theirs := has(func(f three) []byte { return f.theirs })
	switch {
	case !base && !theirs: // the operator's own
		return
	case mine && !theirs:
		p.gone(part)
		return // the base drops it: it is the operator's own from now on
	case base && !mine:
		if theirs && slices.ContainsFunc(part, three.changed) {
			p.step(part[0].name, DidKeep, "you removed it, and the built-in one has changed since: it stays removed")
		}
	default:
		for _, f := range part {
			p.merge(f, compared, base || !mine)
		}
	}
	for i, f := range part {
		switch {
		case !p.unknown(f.name) && f.theirs != nil:
			p.Base.Files = append(p.Base.Files, File{Name: f.name, Text: p.builtin.text(f.name)})
		case p.unknown(f.name) && kept[i].base != nil: // custom.replaces may be corrected
			p.Base.Files = append(p.Base.Files, File{Name: f.name, Text: kept[i].base})
		}
	}
}

// gone plans for what is no longer built in: it is removed if nothing of it was edited.
func (p *planner) gone(part []three) {
	keep := slices.ContainsFunc(part, three.edited)
	for _, f := range part {
		switch {
		case f.mine == nil:
		case keep:
			p.step(f.name, DidKeep, "the built-in one does not exist any more")
		default:
			p.Change[f.name] = nil
			p.step(f.name, DidRemove, "")
		}
	}
}

// merge plans for one file. compared: METADATA says that the operator has compared the
// invariant with the built-in one as it is now. adds: a new built-in file belongs here.
func (p *planner) merge(f three, compared, adds bool) {
	switch {
	case same(f.mine, f.theirs):
	case compared && f.mine != nil:
		if f.base != nil && f.changed() {
			p.step(f.name, DidKeep, "custom.replaces says that it was compared with the built-in one as it is now")
		}
	case f.base == nil && f.mine == nil:
		if adds {
			p.change(f, f.theirs, DidAdd, "")
		}
	case f.base == nil && f.theirs == nil: // the operator's own, beside built-in ones
	case f.base == nil:
		p.step(f.name, DidNotKnow, "nothing says which built-in file it was made from")
	case !f.changed():
		if !same(f.mine, p.mine.text(f.name)) {
			p.change(f, f.mine, DidKeep, "custom.replaces names the built-in one as it is now")
		}
	case f.mine == nil:
		p.step(f.name, DidKeep, "you removed it, and the built-in one has changed since: it stays removed")
	case f.theirs == nil:
		p.gone([]three{f})
	case !f.edited():
		p.change(f, f.theirs, DidTake, "")
	default:
		merged, conflicts := diff3.Merge(f.base, f.mine, f.theirs, "mine", p.theirs)
		if conflicts == 0 {
			p.change(f, merged, DidMerge, "")
			return
		}
		p.change(f, merged, DidConflict, fmt.Sprintf("%s, the first in line %d", text.Count(conflicts, "conflict", "conflicts"), diff3.Marked(merged)))
	}
}

func (p *planner) change(f three, text []byte, did Did, note string) {
	p.Change[f.name] = append([]byte{}, text...)
	p.step(f.name, did, note)
}

func (p *planner) step(file string, did Did, note string) {
	p.Steps = append(p.Steps, UpgradeStep{file, did, note})
}

func (p *planner) unknown(file string) bool {
	return slices.ContainsFunc(p.Steps, func(s UpgradeStep) bool { return s.File == file && s.Did == DidNotKnow })
}

// noteBelow says what became of the built-in rules below a layer since it was last upgraded.
func (p *planner) noteBelow() {
	if p.base.Sums == nil {
		return
	}
	for _, c := range changesBelow(p.base.Sums, p.Base.Sums, p.mine.has) {
		p.step(c.File, DidNote, fmt.Sprintf("%s since the last upgrade of this layer", c.Since))
	}
}

// alignReplaces gives the three versions of a rule the same custom.replaces, that of the
// built-in rule as it is now, so that it is in no conflict. It reports whether the operator has
// written that already, after a comparison. If custom.replaces names neither that nor the
// base, the files have no base.
func alignReplaces(part []three) (compared bool) {
	i := slices.IndexFunc(part, func(f three) bool { return ruleID(f.name) != "" })
	if i < 0 {
		return false
	}
	rule := &part[i]
	at := replacesLine.Get().FindSubmatchIndex(rule.mine)
	if at == nil {
		return false
	}
	named, was, now := string(rule.mine[at[2]:at[3]]), RuleDigest(rule.base), RuleDigest(rule.theirs)
	switch {
	case rule.theirs == nil:
		now = named
	case named == now && was != now:
		compared = true
	case named != was:
		for i := range part {
			part[i].base = nil
		}
	}
	rule.mine = slices.Concat(rule.mine[:at[2]], []byte(now), rule.mine[at[3]:])
	rule.base, rule.theirs = withReplaces(rule.base, now), withReplaces(rule.theirs, now)
	return compared
}

// withReplaces adds custom.replaces to a built-in rule; nil stays nil.
func withReplaces(rule []byte, digest string) []byte {
	const key = "#   runbook:"
	return bytes.Replace(rule, []byte(key), []byte("#   replaces: "+digest+"\n"+key), 1)
}
