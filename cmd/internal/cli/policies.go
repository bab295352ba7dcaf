package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/decide/confined"
	"stackpolicy/decide/policy"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/confine"
	"stackpolicy/policies"
)

// LoadPolicies loads the policies of a folder, or the built-in ones for "". The rules of
// a folder run in a separate process, which ends with ctx. With a memory, what it has is not
// loaded and decided again; nil means none.
func LoadPolicies(ctx context.Context, dir string, memory decide.Memory) (*decide.Policies, error) {
	source, err := Policies(dir, policy.Open)
	if err != nil {
		return nil, err
	}
	o := decide.Options{Memory: memory, Program: Program()}
	if o.Program == "" {
		o.Memory = nil
	}
	if dir == "" {
		o.Trusted = true
		return decide.LoadSource(ctx, source, o)
	}
	return loadConfined(ctx, source, o)
}

// Policies opens the policies of a folder, or the built-in ones for "". A folder without
// main.rego is laid over the built-in policies. open is [policy.Open], or
// [policy.OpenWithTests].
func Policies(dir string, open func(fs.FS, string) policy.Source) (policy.Source, error) {
	builtin := open(policies.FS, "")
	if dir == "" {
		return builtin, nil
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", dir)
	}
	if err != nil {
		return policy.Source{}, fmt.Errorf("open the policies: %w", err)
	}
	return open(os.DirFS(dir), dir).Over(builtin), nil
}

// CheckPolicies loads policies with every check, also the built-in ones, in a separate
// process.
func CheckPolicies(ctx context.Context, source policy.Source) (*decide.Policies, error) {
	return loadConfined(ctx, source, decide.Options{})
}

// loadConfined takes the schemas of the account's own facts for what rules read of them.
func loadConfined(ctx context.Context, source policy.Source, o decide.Options) (_ *decide.Policies, err error) {
	if o.LocalSchemas, err = localSchemas(); err != nil {
		return nil, err
	}
	return confined.LoadSource(ctx, source, o)
}

// localSchemas needs no account where there is no folder for them, as in a build.
func localSchemas() (map[string]json.RawMessage, error) {
	if _, err := os.Stat(collect.Environment{ConfigHome: collect.ConfigHome()}.LocalDir()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return nil, err
	}
	return collect.LocalSchemas(env)
}

// ServeRules must be called first in main. In a process that LoadPolicies started it
// does not return.
func ServeRules() {
	if confine.Wanted(os.Args) {
		fmt.Fprintln(os.Stderr, confined.Serve())
		os.Exit(1)
	}
}
