package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"stackpolicy/finding"
)

// Provenance says where an invariant comes from.
type Provenance string

// A built-in invariant of a complete folder is one whose rule is the built-in one.
const (
	FromBuiltin  Provenance = "built-in"
	FromOwn      Provenance = "own"
	FromReplaced Provenance = "replaced" // a rule in place of the built-in one of the same id
)

// Since says what became of the built-in rule that a replaced one was made from.
type Since string

// It is unknown if METADATA does not say which rule it was.
const (
	SinceUnchanged Since = "unchanged"
	SinceChanged   Since = "changed"
	SinceUnknown   Since = "unknown"
	SinceRemoved   Since = "removed" // there is no built-in invariant of this id any more
)

// Origin says where an invariant comes from and, for a rule in place of a built-in one, what
// became of that.
type Origin struct {
	From  Provenance
	Since Since // empty for built-in and own ones
}

// Origins are those of a folder's invariants, compared with the built-in ones.
type Origins struct {
	ByID map[string]Origin
	// Missing are the ids of built-in invariants that the folder does not have.
	Missing []string

	digests map[string]string // of the built-in rules, by id
}

// OriginsOf compares the invariants of a source with the built-in policies.
func OriginsOf(s Source, invariants []Invariant, builtin Source) Origins {
	o := Origins{ByID: map[string]Origin{}, digests: ruleDigests(builtin)}
	own := ruleDigests(s)
	for _, inv := range invariants {
		o.ByID[inv.ID] = o.of(inv, own[inv.ID])
	}
	for _, f := range builtin.Files {
		if id := ruleID(f.Name); id != "" && own[id] == "" {
			o.Missing = append(o.Missing, id)
		}
	}
	return o
}

func (o Origins) of(inv Invariant, digest string) Origin {
	builtin := o.digests[inv.ID]
	switch {
	case builtin == "" && inv.Replaces == "":
		return Origin{From: FromOwn}
	case builtin == "":
		return Origin{FromOwn, SinceRemoved}
	case digest == builtin:
		return Origin{From: FromBuiltin}
	case inv.Replaces == "":
		return Origin{FromReplaced, SinceUnknown}
	case inv.Replaces == builtin:
		return Origin{FromReplaced, SinceUnchanged}
	}
	return Origin{FromReplaced, SinceChanged}
}

// Notes says in one line each what an operator should look at: a replaced invariant whose
// built-in one is not known to be the same, and built-in invariants that the folder lacks.
func (o Origins) Notes() []string {
	var notes []string
	for id, origin := range o.ByID {
		at := fmt.Sprintf("invariants/%s/%s.rego: ", id, id)
		switch origin.Since {
		case SinceChanged:
			notes = append(notes, at+"the built-in rule has changed since it was replaced; compare them (stackpolicy policy diff -u), then write custom.replaces: "+o.digests[id])
		case SinceUnknown:
			notes = append(notes, at+"it replaces the built-in rule, and nothing says which version of it; compare them (stackpolicy policy diff -u), then write custom.replaces: "+o.digests[id])
		case SinceRemoved:
			note := "it replaces a built-in rule that does not exist any more; remove custom.replaces if you keep it"
			if now := finding.CurrentID(id); now != id {
				note = fmt.Sprintf("the built-in %s is called %s now, and is decided too; rename it, or remove it", id, now)
			}
			notes = append(notes, at+note)
		}
	}
	slices.Sort(notes)
	if missing := o.MissingNote(); missing != "" {
		notes = append(notes, missing)
	}
	return notes
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

// ruleDigests returns the digests of the rules of a source's invariants, by id.
func ruleDigests(s Source) map[string]string {
	digests := map[string]string{}
	for _, f := range s.Files {
		if id := ruleID(f.Name); id != "" {
			digests[id] = RuleDigest(f.Text)
		}
	}
	return digests
}

// RuleDigest returns sha256:… over a rule's file, as METADATA's custom.replaces has it.
func RuleDigest(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
