package cli

import (
	"context"
	"fmt"
	"os"

	"stackpolicy/decide"
	"stackpolicy/decide/confined"
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
	return confined.Load(ctx, fsys, decide.Options{Name: name})
}

// ServeRules must be called first in main. In a process that LoadPolicies started it
// does not return.
func ServeRules() {
	if confine.Wanted(os.Args) {
		fmt.Fprintln(os.Stderr, confined.Serve())
		os.Exit(1)
	}
}
