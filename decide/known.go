package decide

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"

	"stackpolicy/decide/policy"
)

// known is what policies are besides their rules.
type known struct {
	Digest     string
	Settings   policy.Settings
	Invariants []*policy.Invariant
}

// A Loader loads a source.
type Loader func(ctx context.Context, source policy.Source, opts Options) (*Policies, error)

// Remembered returns the policies of a source, with the memory of the options. If the same
// program has loaded the same files before, it only loads them when a rule must be evaluated.
func Remembered(ctx context.Context, source policy.Source, o Options, load Loader) (*Policies, error) {
	parts := []string{o.Program, "policies", source.Name}
	for _, f := range source.Files {
		parts = append(parts, f.Name, string(f.Text), strconv.FormatBool(f.Builtin))
	}
	for _, name := range slices.Sorted(maps.Keys(o.LocalSchemas)) {
		parts = append(parts, name, string(o.LocalSchemas[name]))
	}
	key := keyOf(parts...)
	if len(source.Problems) > 0 { // loading says which
		return load(ctx, source, o)
	}
	var k known
	found, _ := o.Memory.Recall(ctx, []string{key})
	if data, ok := unseal(key, found[key]); ok && decode(data, &k) {
		return New(source, k.Invariants, k.Settings, k.Digest, &later{ctx: ctx, load: load, source: source, opts: o}, o).remembering(), nil
	}
	p, err := load(ctx, source, o)
	if err != nil {
		return nil, err
	}
	k = known{p.digest, p.settings, p.invariants}
	_ = o.Memory.Keep(ctx, map[string][]byte{key: seal(key, asText(k))}) // then it is loaded again
	return p.remembering(), nil
}

// later loads rules when the first one must be evaluated.
type later struct {
	ctx    context.Context // of what is loaded: it outlives one evaluation
	load   Loader
	source policy.Source
	opts   Options

	once   sync.Once
	loaded *Policies
	err    error
}

// Evaluate answers with the error if the rules cannot be loaded any more.
func (l *later) Evaluate(ctx context.Context, doc *Prepared, invariants []*policy.Invariant, answer func(int, Answer)) {
	l.once.Do(func() { l.loaded, l.err = l.load(l.ctx, l.source, l.opts) })
	if l.err != nil {
		for i := range invariants {
			answer(i, Answer{Err: l.err})
		}
		return
	}
	l.loaded.evaluator.Evaluate(ctx, doc, invariants, answer)
}
