package audit

import (
	"slices"
	"strings"
	"testing"

	"stackpolicy/facts"
)

// evil is an undeclared drop-in that is in force.
var evil = facts.File{
	Path: "/run/user/1000/systemd/generator/web.service.d/evil.conf", Role: facts.RoleDropIn, Origin: facts.OriginGenerator,
	Kind: "regular", State: facts.StateUndeclared, Digest: "sha256:evil", Loaded: true, Effective: true,
}

// withEvil is a document where web.service has it.
func withEvil(doc *facts.Document) *facts.Document {
	i := slices.IndexFunc(doc.Units, func(u facts.Unit) bool { return u.Name == "web.service" })
	doc.Units[i].Files = append(doc.Units[i].Files, evil)
	return doc
}

// TestOurReloadLoadedIt: what our reload brought in force is a page, whatever the
// rules say of it, and nothing about that unit is healed.
func TestOurReloadLoadedIt(t *testing.T) {
	const page = "web.service %s block page after daemon-reload"
	blind := single(t, "unit", `
finding contains {
	"subject": "web.service", "effect": "heal", "severity": "ticket",
	"message": "stale", "evidence": {"case": "any"}, "action": "daemon-reload",
} if input.manager.version == "stale"
`)
	before := recorded(t, "good")
	before.Manager.Version = "stale"
	t.Run("rules that do not look", func(t *testing.T) {
		r := enforced(t, blind, &manager{}, before, withEvil(recorded(t, "good")))
		want(t, r, 2, []string{"web.service stand_in heal ticket heal-failed", strings.Replace(page, "%s", "stand_in", 1)}, []string{"daemon-reload host done"})
		if got := r.Decisions[len(r.Decisions)-1].Message; got != "our reload loaded "+evil.Path+", which nothing declares" {
			t.Errorf("it says %q", got)
		}
	})
	t.Run("the built-in rules", func(t *testing.T) {
		r := enforced(t, builtin(t), &manager{}, recorded(t, "stale"), withEvil(recorded(t, "good")))
		want(t, r, 2, []string{
			stale + "heal-failed", strings.Replace(page, "%s", "dropins_owned", 1), strings.Replace(page, "%s", "loaded_is_current", 1),
		}, []string{"daemon-reload host done"})
	})
	t.Run("it was in force before", func(t *testing.T) {
		r := enforced(t, blind, &manager{}, withEvil(before), withEvil(recorded(t, "good")))
		want(t, r, 0, []string{"web.service stand_in heal ticket healed"}, []string{"daemon-reload host done"})
	})
	t.Run("stale again", func(t *testing.T) {
		again := recorded(t, "stale")
		again.Manager.Version = "fine"
		r := enforced(t, blind, &manager{}, before, again)
		want(t, r, 2, []string{"web.service stand_in heal ticket heal-failed"}, []string{"daemon-reload host done"})
	})
}
