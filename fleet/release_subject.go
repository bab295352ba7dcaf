package fleet

import (
	"fmt"
	"strings"
)

// releases is the first token of the subjects of releases' files.
const releases = "release"

// ReleaseSubject returns the subject of a file of the releases of an organisation, as
// release.ORG.NAME. Bytes of the names that mean something in a subject are written as %XX, so
// the file is one token.
func ReleaseSubject(org, file string) (string, error) {
	if org == "" || len(org) > maxName || file == "" || len(file) > 255 {
		return "", fmt.Errorf("%.100q of %.100q is no file of a release: its name must have 1 to 255 bytes", file, org)
	}
	return strings.Join([]string{releases, token(org), token(file)}, "."), nil
}
