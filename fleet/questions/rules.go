package questions

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
)

// maxRules is how many rules a worker keeps loaded for the next host. Those that are not built in
// have a process of their own.
const maxRules = 4

// maxOfHost is how many rules one host may have had in the time that is asked about. Somebody who
// edits them every day has 31 in a month; a hostile host could start any number of processes.
const maxOfHost = 40

var errTooMany = fmt.Errorf("the host had more than %d rules in this time; ask about less of it", maxOfHost)

// rulebooks loads the rules that decided then, and keeps the last ones: most hosts have the same.
// Use it from one goroutine.
type rulebooks struct {
	life    context.Context // of what is loaded
	load    func(context.Context, []policy.File) (*decide.Policies, error)
	present *decide.Policies
	kept    []rulebook // the one that was used last is the last
	loaded  int        // for this host
}

// rulebook is rules that are loaded, until they are closed.
type rulebook struct {
	*decide.Policies
	close func()
}

// get returns the rules with a digest. Those that are present are not loaded again.
func (r *rulebooks) get(_ context.Context, digest string, files []policy.File) (*decide.Policies, error) {
	if r.present.Digest() == digest {
		return r.present, nil
	}
	i := slices.IndexFunc(r.kept, func(b rulebook) bool { return b.Digest() == digest && isSame(b.Source().Files, files) })
	if i >= 0 {
		found := r.kept[i]
		r.kept = append(slices.Delete(r.kept, i, i+1), found)
		return found.Policies, nil
	}
	if r.loaded == maxOfHost {
		return nil, errTooMany
	}
	r.loaded++
	life, end := context.WithCancel(r.life)
	p, err := r.load(life, files)
	if err != nil {
		end()
		return nil, err
	}
	r.kept = append(r.kept, rulebook{p, end})
	return p, nil
}

// trim closes all but the last few, once no host needs them.
func (r *rulebooks) trim() {
	r.loaded = 0
	for len(r.kept) > maxRules {
		r.kept[0].close()
		r.kept = slices.Delete(r.kept, 0, 1)
	}
}

func isSame(a, b []policy.File) bool {
	return slices.EqualFunc(a, b, func(x, y policy.File) bool {
		return x.Name == y.Name && x.Builtin == y.Builtin && bytes.Equal(x.Text, y.Text)
	})
}
