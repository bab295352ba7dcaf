// Package decide turns a facts document into decisions. Only this package and the
// packages below it import OPA: policy reads a policy folder, lint refuses rules in which
// a mistake could look like a pass, and regotest runs their tests.
//
// Start at [Load] and [Policies.Decide]. An invariant is only allowed if its facts were
// collected and its rule was evaluated.
package decide

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide/lint"
	"stackpolicy/decide/policy"
	"stackpolicy/decide/scope"
	"stackpolicy/facts"
	"stackpolicy/schemas"
)

// Options says how a policy folder is loaded. The zero value loads untrusted
// policies with the default limits and the built-in schemas.
type Options struct {
	// Name is put before file names in errors, e.g. the folder's path.
	Name string
	// Schemas holds facts.json and settings.json; nil means the built-in ones.
	Schemas fs.FS
	// LocalSchemas has JSON Schemas of the operator's own facts, by name. A rule that reads
	// a key of such a fact that its schema does not have is refused.
	LocalSchemas map[string]json.RawMessage
	// Limit bounds one invariant's evaluation; 0 means 2 seconds.
	Limit time.Duration
	// Total bounds one Decide; 0 means 20 seconds.
	Total time.Duration
	// Trusted skips the checks for mistakes in rules: of types, misspelt facts,
	// undeclared reads, builtins, findings and runbooks. It is only for the built-in
	// policies, whose tests load them without it.
	Trusted bool
	// Memory keeps what was loaded and decided, and nil keeps nothing. What it has is not
	// loaded and decided again, for the same files, settings and facts; a rule that reads
	// the time is decided again where it did. A memory that fails is as an empty one.
	Memory Memory
	// Program names the program, with a Memory: another text for each build that could
	// decide otherwise.
	Program string
}

// DefaultLimit bounds one invariant's evaluation.
const DefaultLimit = 2 * time.Second

func (o Options) withDefaults() Options {
	if o.Schemas == nil {
		o.Schemas = schemas.FS
	}
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	if o.Total == 0 {
		o.Total = 20 * time.Second
	}
	return o
}

// Policies is a compiled policy folder. It does not change after [Load] and
// may be used by several goroutines at once.
type Policies struct {
	opts       Options
	source     policy.Source
	digest     string
	settings   policy.Settings
	invariants []*policy.Invariant
	evaluator  Evaluator
}

// Invariants returns every invariant, sorted by id.
func (p *Policies) Invariants() []policy.Invariant {
	list := make([]policy.Invariant, len(p.invariants))
	for i, inv := range p.invariants {
		list[i] = *inv
	}
	return list
}

// Reads reports whether a rule reads a section, as its METADATA says.
func (p *Policies) Reads(section string) bool {
	return slices.ContainsFunc(p.invariants, func(inv *policy.Invariant) bool {
		return slices.Contains(inv.Needs, section) || slices.Contains(inv.Optional, section)
	})
}

// Digest returns sha256:… over the names and contents of the files that
// decisions depend on: rules, settings and runbooks, but no tests.
func (p *Policies) Digest() string { return p.digest }

// Source returns the files that the policies were loaded from.
func (p *Policies) Source() policy.Source { return p.source }

// Settings returns the settings of settings.yaml, with defaults.
func (p *Policies) Settings() policy.Settings { return p.settings }

// Only returns the policies with only the named invariants. Unknown names are ignored.
func (p *Policies) Only(ids ...string) *Policies {
	only := *p
	only.invariants = nil
	for _, inv := range p.invariants {
		if slices.Contains(ids, inv.ID) {
			only.invariants = append(only.invariants, inv)
		}
	}
	return &only
}

// Load reads, checks and compiles the policies in fsys. All mistakes are in one error of
// type [*policy.Refusal], with file, line, what is wrong and what would be right.
func Load(ctx context.Context, fsys fs.FS, opts Options) (*Policies, error) {
	return LoadSource(ctx, policy.Open(fsys, opts.Name), opts)
}

// LoadSource is Load for a folder that was already opened.
func LoadSource(ctx context.Context, source policy.Source, opts Options) (*Policies, error) {
	if opts = opts.withDefaults(); opts.Memory != nil {
		return Remembered(ctx, source, opts, loadSource)
	}
	return loadSource(ctx, source, opts)
}

func loadSource(ctx context.Context, source policy.Source, opts Options) (*Policies, error) {
	folder := policy.Parse(source)
	compiler, err := compile(ctx, folder, opts)
	if err != nil {
		return nil, err
	}
	setScopes(compiler, source, folder)
	asked := &rules{compiler: compiler, store: folder.Settings.Store(), limit: opts.Limit, timed: readTimeFromStore(compiler)}
	return New(source, folder.Invariants, folder.Settings, folder.Digest, asked, opts), nil
}

// New returns policies whose rules are evaluated by e. Of the options it only uses Total.
func New(source policy.Source, invariants []*policy.Invariant, settings policy.Settings, digest string, e Evaluator, opts Options) *Policies {
	return &Policies{opts: opts.withDefaults(), source: source, digest: digest, settings: settings, invariants: invariants, evaluator: e}
}

// Evaluate evaluates the rules of the named invariants, without deciding. Unknown names are
// ignored.
func (p *Policies) Evaluate(ctx context.Context, doc *facts.Document, ids []string, answer func(id string, a Answer)) {
	asked := p.Only(ids...).invariants
	p.evaluator.Evaluate(ctx, Prepare(doc), asked, func(i int, a Answer) { answer(asked[i].ID, a) })
}

// setScopes finds out what each invariant depends on.
func setScopes(compiler *ast.Compiler, source policy.Source, folder *policy.Folder) {
	refs := make([]ast.Ref, len(folder.Invariants))
	for i, inv := range folder.Invariants {
		refs[i] = inv.Ref()
	}
	for i, s := range scope.Of(compiler, refs...) {
		folder.Invariants[i].Scope = s
		folder.Invariants[i].Digest = digestOf(source, folder.Settings, folder.Invariants[i])
	}
}

// digestOf is a digest of the files and settings that an invariant's findings depend on.
func digestOf(source policy.Source, settings policy.Settings, inv *policy.Invariant) string {
	parts := []string{inv.Runbook.File, settings.Text(inv.Scope.Settings)}
	for _, f := range source.Files {
		isUsed := inv.Scope.Whole || slices.Contains(inv.Scope.Files, f.Name)
		if isUsed || f.Name == inv.File {
			parts = append(parts, f.Name, string(f.Text))
		}
	}
	return fmt.Sprintf("sha256:%x", keyOf(parts...))
}

func compile(ctx context.Context, folder *policy.Folder, opts Options) (*ast.Compiler, error) {
	if opts.Trusted {
		return compileTrusted(folder)
	}
	return lint.Compile(ctx, folder, opts.Schemas, opts.LocalSchemas)
}
