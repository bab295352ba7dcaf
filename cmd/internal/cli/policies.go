package cli

import (
	"context"
	"fmt"
	"os"

	"stackpolicy/decide"
	"stackpolicy/decide/confined"
	"stackpolicy/internal/confine"
)

// LoadPolicies loads the policies in a folder, whose rules run in a process of
// their own that ends with ctx, or the built-in ones for "".
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

// ServeRules does not return in a process that LoadPolicies started. Call it
// first in main.
func ServeRules() {
	if confine.Wanted(os.Args) {
		fmt.Fprintln(os.Stderr, confined.Serve())
		os.Exit(1)
	}
}
