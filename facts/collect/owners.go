package collect

import (
	"path/filepath"
	"slices"
	"sync"
	"time"

	"stackpolicy/internal/unitfile"
)

// owners reads the files of the units that pull others in ([drift.Owners]). Several
// goroutines may use it.
type owners struct {
	index   *unitfile.Index
	looks   *looks
	aliases func() unitfile.Aliases

	lock     sync.Mutex
	settings map[string][]unitfile.Settings
	linked   map[[2]string][]string // by owner and kind
}

func newOwners(index *unitfile.Index, looks *looks) *owners {
	return &owners{index: index, looks: looks, aliases: sync.OnceValue(index.Aliases), settings: map[string][]unitfile.Settings{}, linked: map[[2]string][]string{}}
}

func (o *owners) names(owner string) []string {
	return append([]string{owner}, o.aliases().Of(owner)...)
}

// Settings is the method of [drift.Owners].
func (o *owners) Settings(owner string) []unitfile.Settings {
	o.lock.Lock()
	defer o.lock.Unlock()
	known, ok := o.settings[owner]
	if !ok {
		known = o.read(owner)
		o.settings[owner] = known
	}
	return known
}

func (o *owners) read(owner string) []unitfile.Settings {
	fragments := o.index.Fragments(owner)
	if len(fragments) == 0 {
		return nil
	}
	paths := fragments[:1]
	for _, d := range o.index.DropIns(o.names(owner)) {
		if !d.Masked {
			paths = append(paths, d.Path)
		}
	}
	all := []unitfile.Settings{}
	for _, path := range paths {
		if s, err := unitfile.Read([]string{path}); err == nil { // ignore links that do not resolve
			all = append(all, s)
		}
	}
	return all
}

// Linked is the method of [drift.Owners].
func (o *owners) Linked(owner, kind string) []string {
	o.lock.Lock()
	defer o.lock.Unlock()
	key := [2]string{owner, kind}
	known, ok := o.linked[key]
	if !ok {
		known = o.links(owner, kind)
		o.linked[key] = known
	}
	return known
}

// links returns the names of links, sorted. systemd uses the first of several links with the
// same name. It ignores links to /dev/null and files that are not links.
func (o *owners) links(owner, kind string) []string {
	var linked []string
	seen := map[string]bool{}
	for _, l := range o.index.LinkedBy(o.names(owner), kind) {
		name := filepath.Base(l.Path)
		if seen[name] {
			continue
		}
		seen[name] = true
		f, err := o.looks.at(l.Path)
		if err == nil && f.Kind == unitfile.Symlink && f.Target != "/dev/null" {
			linked = append(linked, name)
		}
	}
	slices.Sort(linked)
	return linked
}

// AliasOf is the method of [drift.Owners].
func (o *owners) AliasOf(name string) string { return o.index.AliasOf(name) }

// LinksChanged is the method of [drift.Owners].
func (o *owners) LinksChanged(owner string) time.Time {
	return o.index.LinksChanged(o.names(owner))
}
