package questions

import (
	"bytes"
	"context"
	"slices"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
)

// maxRules is how many rules a worker keeps loaded for the next host. Those that are not built in
// have a process of their own.
const maxRules = 4

// rulebooks loads the rules that decided then, and keeps the last ones: most hosts have the same.
// Use it from one goroutine.
type rulebooks struct {
	life    context.Context // of what is loaded
	load    func(context.Context, []policy.File) (*decide.Policies, error)
	present *decide.Policies
	kept    []rulebook // the one that was used last is the last
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
