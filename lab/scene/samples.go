package scene

import (
	"crypto/sha256"
	"fmt"
	"path"
	"strings"

	"stackpolicy/units"
)

// Stacks returns the names of the sample stacks' units.
func Stacks() []string { return []string{"feeds.service", "files.service", "web.service"} }

// samples returns the files that an operator's Home Manager configuration would declare:
// three stacks as oneshots with an apply and a verify step, and the audit's units.
func samples() map[string]string {
	files := map[string]string{
		".config/stackpolicy/config.yaml": "stacks: {web: {}, files: {}, feeds: {}}\n",
	}
	for _, unit := range Stacks() {
		files[path.Join(UnitDir, unit)] = Stamped(StackUnit(unit, "first"))
		files[path.Join(UnitDir, "default.target.wants", unit)] = "-> ../" + unit
	}
	for _, name := range []string{"stackpolicy-audit.service", "stackpolicy-audit.timer"} {
		text, err := units.FS.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded
		}
		files[path.Join(UnitDir, name)] = Stamped(string(text))
	}
	files[path.Join(UnitDir, "timers.target.wants", "stackpolicy-audit.timer")] = "-> ../stackpolicy-audit.timer"
	return files
}

// Stamped adds a revision stamp to a unit's text. With a stamp an audit can tell which
// definition the manager has loaded.
func Stamped(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.Replace(text, "[Unit]\n", fmt.Sprintf("[Unit]\nDocumentation=info:stackpolicy-rev-%x\n", sum[:8]), 1)
}

// StackUnit returns the text of a stack's unit. Another revision gives another text.
func StackUnit(name, revision string) string {
	return fmt.Sprintf(`[Unit]
Description=Stack %s, %s revision

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=90
ExecStart=/bin/sh -c '[ "$APPLY" != fail ]'
ExecStartPost=/bin/true verify
`, name, revision)
}
