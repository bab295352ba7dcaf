package collect

import (
	"path/filepath"
	"time"

	"stackpolicy/facts"
)

var releaseRow = collector{name: "release", limit: 2 * time.Second, fills: []string{"release"}}

// releaseFound is nil if the account uses no releases.
type releaseFound struct{ release *facts.Release }

func (f releaseFound) fill(doc *facts.Document) { doc.Release = f.release }

func collectRelease(env Environment) (releaseFound, error) {
	r, err := env.Releases()
	return releaseFound{r}, err
}

// releasePlaces are the files that say how the releases are.
func (e Environment) releasePlaces() []string {
	dir := filepath.Join(e.StateHome, "stackpolicy", "release")
	return []string{filepath.Join(dir, "active"), filepath.Join(dir, "state.json")}
}
