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
	"stackpolicy/facts/collect"
	"stackpolicy/internal/confine"
)

// LoadPolicies loads the policies of a folder, or the built-in ones for "". The rules of
// a folder run in a separate process, which ends with ctx. With a memory, what it has is not
// loaded and decided again; nil is none.
func LoadPolicies(ctx context.Context, dir string, memory decide.Memory) (*decide.Policies, error) {
	fsys, name, err := Policies(dir)
	if err != nil {
		return nil, err
	}
	o := decide.Options{Memory: memory, Program: Program()}
	if o.Program == "" {
		o.Memory = nil
	}
	if name == "" {
		o.Trusted = true
		return decide.Load(ctx, fsys, o)
	}
	o.Name = name
	return loadFolder(ctx, fsys, o)
}

// LoadFolder loads a folder of policies, in a separate process.
func LoadFolder(ctx context.Context, fsys fs.FS, name string) (*decide.Policies, error) {
	return loadFolder(ctx, fsys, decide.Options{Name: name})
}

// loadFolder takes the schemas of the account's own facts for what rules read of them.
func loadFolder(ctx context.Context, fsys fs.FS, o decide.Options) (_ *decide.Policies, err error) {
	if o.LocalSchemas, err = localSchemas(); err != nil {
		return nil, err
	}
	return confined.Load(ctx, fsys, o)
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
