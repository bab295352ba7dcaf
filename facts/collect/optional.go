package collect

import (
	"context"
	"errors"

	"stackpolicy/facts"
)

// AddOptional adds the sections that [Collect] leaves out because few rules read them:
// those for which reads is true.
func AddOptional(ctx context.Context, env Environment, doc *facts.Document, reads func(section string) bool) {
	r := newRun(env, doc)
	for name, status := range doc.Collectors {
		if !status.OK {
			r.failed[name] = errors.New(status.Error)
		}
	}
	if reads("local") {
		step(ctx, r, localRow, func(context.Context) (localFacts, error) { return collectLocal(env) })
	}
	if reads("release") && env.Releases != nil {
		step(ctx, r, releaseRow, func(context.Context) (releaseFound, error) { return collectRelease(env) })
	}
	if reads("units.properties") {
		step(ctx, r, propertiesRow, func(ctx context.Context) (propertiesFound, error) { return collectProperties(ctx, env, doc) })
	}
}
