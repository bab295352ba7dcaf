package policy

import (
	"encoding/json"
	"strings"
	"testing"
)

const mending = "# fragment\n\nWhat it means.\n\n## How to look\n\n### masked\n\n1. Not this.\n\n## How to mend\n\n### masked\n\n" +
	"1. Look: `systemctl --user cat {unit}`.\n2. Remove {path}\n   if it is yours: `rm {path}`.\n\nNote.\n\n" +
	"### any\n\n1) Try `podman inspect --format {{.State}} ${x} {number}` {flag} {paths} `{paths}`.\n\n## See also\n\n1. Nothing.\n"

func TestSteps(t *testing.T) {
	book := parseRunbook("r.md", mending)
	type finding struct {
		subject  string
		evidence map[string]any
	}
	cases := map[string]struct {
		finding finding
		want    string
	}{
		"a case": {finding{"web.service", map[string]any{"case": "masked", "path": "/a/b"}},
			"Look: `systemctl --user cat web.service`.\nRemove /a/b if it is yours: `rm /a/b`. Note."},
		"a path for the shell": {finding{"web.service", map[string]any{"case": "masked", "path": "/a/it's; rm -rf $HOME"}},
			"Look: `systemctl --user cat web.service`.\nRemove /a/it's; rm -rf $HOME if it is yours: `rm '/a/it'\\''s; rm -rf $HOME'`. Note."},
		"control characters": {finding{"a\x1bb\\x2d.service", map[string]any{"case": "masked", "path": ""}},
			"Look: `systemctl --user cat $'a\\x1bb\\\\x2d.service'`.\nRemove  if it is yours: `rm ''`. Note."},
		"no evidence": {finding{"host", map[string]any{"case": "masked"}},
			"Look: `systemctl --user cat (unit unknown)`.\nRemove (path unknown) if it is yours: `rm (path unknown)`. Note."},
		"the unit of the evidence": {finding{"host", map[string]any{"case": "masked", "unit": "db.service", "path": "/a"}},
			"Look: `systemctl --user cat db.service`.\nRemove /a if it is yours: `rm /a`. Note."},
		"any other case": {finding{"web.service", map[string]any{"case": "other", "number": json.Number("7"), "flag": true, "paths": []any{"a b", "c"}}},
			"Try `podman inspect --format {{.State}} ${x} 7` true a b, c `'a b' c`."},
		"no case": {finding{"web.service", map[string]any{"paths": map[string]any{}}},
			"Try `podman inspect --format {{.State}} ${x} (number unknown)` (flag unknown) (paths unknown) `(paths unknown)`."},
		"a gap": {finding{"host", map[string]any{"case": "gap", "collector": "podman"}},
			"See why the collector podman failed: the message has the reason.\nMend that, then audit again: `stackpolicy eval`."},
		"an error": {finding{"host", map[string]any{"case": "error", "file": "invariants/a/a.rego"}},
			"See what is wrong with the rule in invariants/a/a.rego: the message says it.\nMend the rule, test it with `opa test`, then audit again: `stackpolicy eval`."},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(book.Steps(c.finding.subject, c.finding.evidence, Account{}), "\n"); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// TestStepsOfAnAccount: who has no Home Manager is not told to switch it.
func TestStepsOfAnAccount(t *testing.T) {
	book := parseRunbook("r.md", "## How to mend\n\n### any\n\n1. {activate}\n2. Look at {path}; then {activate}.\n3. `systemctl status {home_manager}`\n")
	evidence := map[string]any{"path": "/a/{activate}"}
	const switches = "ctivate: `home-manager switch` (NixOS module: `sudo systemctl restart home-manager-ada.service`)"
	const restarts = "ctivate: `sudo systemctl restart 'home-manager-build\\x2dbot.service'`"
	for name, c := range map[string]struct {
		account Account
		want    string
	}{
		"with Home Manager": {Account{Name: "ada"}, "A" + switches + "\n" +
			"Look at /a/{activate}; then a" + switches + ".\n`systemctl status home-manager-ada.service`"},
		"a name that systemd escapes": {Account{Name: "build-bot", NixOS: true}, "A" + restarts + "\n" +
			"Look at /a/{activate}; then a" + restarts + ".\n`systemctl status 'home-manager-build\\x2dbot.service'`"},
		"without": {Account{Name: "ada", NoHomeManager: true}, "Put it back as your dotfiles have it\n" +
			"Look at /a/{activate}; then put it back as your dotfiles have it.\n`systemctl status home-manager-ada.service`"},
	} {
		if got := strings.Join(book.Steps("web.service", evidence, c.account), "\n"); got != c.want {
			t.Errorf("%s: got:\n%s\nwant:\n%s", name, got, c.want)
		}
	}
}
