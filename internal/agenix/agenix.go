// Package agenix knows how agenix's Home Manager module names its secrets.
package agenix

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// variable begins the path of a secret, as Home Manager's configuration has it: agenix
// leaves the runtime folder to the shell (modules/age-home.nix of agenix).
const variable = "${XDG_RUNTIME_DIR}/"

// Path returns where a secret is, with the account's runtime folder in the place of the
// variable that the path begins with. Any other path is returned unchanged.
func Path(path string) string {
	below, isVariable := strings.CutPrefix(path, variable)
	if !isVariable {
		return path
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = filepath.Join("/run/user", strconv.Itoa(os.Getuid()))
	}
	return filepath.Join(dir, below)
}
