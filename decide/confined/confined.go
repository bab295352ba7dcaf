// Package confined loads, checks, tests and evaluates the rules of operators in a child
// process with limits of memory and time. If a rule breaks a limit, its invariant is blocked
// as undecided, and the others are decided. The built-in rules do not need it.
//
// Start at [Load]. The program's main calls [Serve] when confine.Wanted says so.
package confined

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/decide/regotest"
	"stackpolicy/internal/confine"
)

// Limits of the child.
const (
	memory     = 384 << 20
	testMemory = 1 << 30 // the built-in rules' own tests need 350 MiB, which no audit runs
	perByte    = 16      // bytes of memory for each byte of a document
	loadLimit  = 20 * time.Second
	testLimit  = 2 * time.Minute
	factsLimit = 20 * time.Second
	graceLimit = time.Second // for a rule to stop when it is cancelled
)

// Load loads the policies in fsys as [decide.Load] does. The child that evaluates their rules
// is killed when ctx ends.
func Load(ctx context.Context, fsys fs.FS, opts decide.Options) (*decide.Policies, error) {
	return LoadSource(ctx, policy.Open(fsys, opts.Name), opts)
}

// LoadSource is Load for policies that were already opened.
func LoadSource(ctx context.Context, source policy.Source, opts decide.Options) (*decide.Policies, error) {
	if opts.Limit == 0 {
		opts.Limit = decide.DefaultLimit
	}
	if opts.Memory != nil {
		return decide.Remembered(ctx, source, opts, load)
	}
	return load(ctx, source, opts)
}

func load(ctx context.Context, source policy.Source, opts decide.Options) (*decide.Policies, error) {
	c := &client{
		life: ctx, limit: opts.Limit,
		load: request{Do: doLoad, Source: source, Limit: opts.Limit, Local: opts.LocalSchemas},
	}
	loaded, err := c.start(ctx)
	if err != nil {
		return nil, err
	}
	return decide.New(source, loaded.Invariants, loaded.Settings, loaded.Digest, c, opts), nil
}

// Test runs the tests of a source as [regotest.Run] does.
func Test(ctx context.Context, source policy.Source) (regotest.Report, error) {
	r, err := once(ctx, request{Do: doTest, Source: source}, testMemory, testLimit)
	return r.Report, err
}

// Formatted returns the files of a source that opa fmt would change, as it would write them,
// without built-in ones.
func Formatted(ctx context.Context, source policy.Source) ([]policy.File, error) {
	r, err := once(ctx, request{Do: doFormat, Source: source}, memory, loadLimit)
	return r.Formatted, err
}

// once starts a child with this much memory for one request.
func once(ctx context.Context, r request, bytes uint64, limit time.Duration) (reply, error) {
	child, err := confine.Start(ctx, bytes)
	if err != nil {
		return reply{}, err
	}
	defer child.Stop()
	return call(ctx, child, r, limit)
}

// call sends a request and waits for its one reply.
func call(ctx context.Context, child *confine.Process, r request, limit time.Duration) (reply, error) {
	if err := send(ctx, child, r); err != nil {
		return reply{}, explain(r, limit, err)
	}
	answer, err := receive(ctx, child, limit)
	if err != nil {
		return reply{}, explain(r, limit, err)
	}
	return answer, answer.failure(r.Source)
}

func send(ctx context.Context, child *confine.Process, r request) error {
	frame, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return child.Send(ctx, frame, loadLimit)
}

func receive(ctx context.Context, child *confine.Process, limit time.Duration) (reply, error) {
	frame, err := child.Receive(ctx, limit)
	if err != nil {
		return reply{}, err
	}
	return decodeReply(frame)
}

// explain returns an error that says which limit was broken.
func explain(r request, limit time.Duration, err error) error {
	what := map[string]string{doLoad: "check the rules", doTest: "test the rules", doFormat: "format the rules", doFacts: "read the facts for the rules"}[r.Do]
	if r.Source.Name != "" {
		what += " of " + r.Source.Name
	}
	return fmt.Errorf("%s: %w", what, reason(err, limit))
}

func reason(err error, limit time.Duration) error {
	switch {
	case errors.Is(err, confine.ErrTime):
		return fmt.Errorf("stopped at the time limit of %s", limit)
	case errors.Is(err, confine.ErrMemory):
		return errors.New("stopped at the memory limit")
	}
	return err
}
