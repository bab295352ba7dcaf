package cli

import (
	"context"
	"fmt"

	"stackpolicy/decide/confined"
	"stackpolicy/decide/policy"
	"stackpolicy/decide/regotest"
	"stackpolicy/policies"
)

// CheckRelease returns why the rules of a release may not be used: what the loader refuses, or a
// test that fails. Rules without main.rego are laid over the built-in ones. They are loaded and
// tested in a separate process, within its limits.
func CheckRelease(ctx context.Context, rules policy.Source) error {
	whole := rules.Over(policy.OpenWithTests(policies.FS, ""))
	if _, err := CheckPolicies(ctx, whole); err != nil {
		return err
	}
	tests, err := confined.Test(ctx, whole)
	if err != nil {
		return err
	}
	for _, r := range append(tests.Results, tests.Untested...) {
		if r.Status != regotest.StatusPass {
			return fmt.Errorf("%s:%d: the test %s: %s %s", r.File, r.Line, r.Name, r.Status, r.Message)
		}
	}
	return nil
}
