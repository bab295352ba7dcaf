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
// a folder run in a separate process, which ends with ctx.
func LoadPolicies(ctx context.Context, dir string) (*decide.Policies, error) {
	fsys, name, err := Policies(dir)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return decide.Load(ctx, fsys, decide.Options{Trusted: true})
	}
	return LoadFolder(ctx, fsys, name)
}

// LoadFolder loads a folder of policies, in a separate process. The schemas of the account's
// own facts are schemas of what its rules read.
func LoadFolder(ctx context.Context, fsys fs.FS, name string) (*decide.Policies, error) {
	local, err := localSchemas()
	if err != nil {
		return nil, err
	}
	return confined.Load(ctx, fsys, decide.Options{Name: name, LocalSchemas: local})
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
