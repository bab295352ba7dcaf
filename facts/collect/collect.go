// Package collect takes one snapshot of a user's systemd units as a
// [facts.Document].
//
// Start at [Collect]. Its body is the order in which the collectors run, with what each
// needs of earlier ones.
package collect

import (
	"context"
	"slices"
	"time"

	"stackpolicy/facts"
)

// A collector is the row of one subject. Its function, in the same file as the row,
// takes what it needs and returns one typed result.
type collector struct {
	name  string
	limit time.Duration
	fills []string // sections of the document (facts.Sections)
	needs []string // collectors without whose results it does not run
}

// collectors lists the rows in the order in which collect runs them.
func collectors() []collector {
	return []collector{
		historyRow, userRow, homeManagerRow, systemdRow, quadletsRow, filesRow, appliedRow, podmanRow, imagesRow, storageRow, probesRow, localRow, releaseRow, propertiesRow,
	}
}

// selection has the units of the document; nil means all.
type selection []string

func (s selection) has(unit string) bool { return s == nil || slices.Contains(s, unit) }

// of returns the names that belong in the document.
func (s selection) of(names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return !s.has(n) })
}

// An Option changes what Collect collects.
type Option func(*selection)

// Only limits the document to the given units. Their content, and that of the host, is the
// same as in the whole document.
func Only(units ...string) Option {
	return func(s *selection) { *s = append(selection{}, units...) }
}

// Collect takes one snapshot. It never fails as a whole: a section that could not be
// collected is absent, and Collectors has the reason.
func Collect(ctx context.Context, env Environment, options ...Option) *facts.Document {
	return collect(ctx, env, surveyManager, options...)
}

// collect is Collect with the given way to survey the manager. Two slow tasks, podman's
// listing and the survey, are started before all collectors, because they need no results
// of others. Probes are started as soon as the states of units are known.
func collect(ctx context.Context, env Environment, survey surveyor, options ...Option) *facts.Document {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var only selection
	for _, option := range options {
		option(&only)
	}
	doc := newDocument(env.Now())
	r := newRun(env, doc)
	listing := begin(ctx, podmanLimit, env.Podman.Containers)
	surveying := begin(ctx, systemdLimit, func(limited context.Context) (surveyed, error) { return survey(ctx, limited, env) })

	memory := step(ctx, r, historyRow, func(ctx context.Context) (remembered, error) {
		return collectHistory(ctx, env.Memory, env.Config.Holds, doc.CollectedAt)
	})
	step(ctx, r, userRow, func(context.Context) (account, error) { return collectUser(env) })
	declared := step(ctx, r, homeManagerRow, func(ctx context.Context) (declaration, error) {
		return env.kept.declaration(func() (declaration, error) { return collectHomeManager(ctx, env) })
	})
	asking := beginQuadlets(ctx, env, declared.quadlets)
	sought := scope{env: env, only: only, memory: memory, declared: declared}
	looks := newLooks(ctx, declared.store())
	loaded := step(ctx, r, systemdRow, func(ctx context.Context) (loadedUnits, error) {
		return collectSystemd(ctx, surveying, sought, looks)
	})
	if r.failed[systemdRow.name] != nil { // then only the names of units are known
		loaded = sought.namesAlone()
		doc.Units = append(doc.Units, loaded.units...)
	}
	probing := beginProbes(ctx, env.kept, env.Config.Stacks, doc.Units)
	step(ctx, r, quadletsRow, func(ctx context.Context) (quadletsFound, error) {
		return collectQuadlets(ctx, env, asking, declared.quadlets, loaded)
	})
	withQuadlets := loaded // a quadlets collector that was abandoned may still read loaded
	withQuadlets.units = doc.Units
	step(ctx, r, filesRow, func(ctx context.Context) (filesFound, error) {
		return collectFiles(ctx, env, doc.CollectedAt, declared, withQuadlets, looks)
	})
	step(ctx, r, appliedRow, func(ctx context.Context) (appliedFound, error) {
		return collectApplied(ctx, env, declared.store(), doc.Units)
	})
	step(ctx, r, podmanRow, func(ctx context.Context) (containersFound, error) {
		return collectPodman(ctx, env, listing, withQuadlets)
	})
	storage := beginStorage(ctx, env.Storage, doc)
	step(ctx, r, imagesRow, func(ctx context.Context) (imagesFound, error) {
		return collectImages(ctx, env.Images, withQuadlets.autoUpdate(), doc)
	})
	step(ctx, r, storageRow, func(ctx context.Context) (storageFound, error) { return await(ctx, storage) })
	unknown := unknownState(env.Config.Stacks, only, doc.Units, r.needs(systemdRow.name))
	step(ctx, r, probesRow, func(ctx context.Context) (probesFound, error) {
		return collectProbes(ctx, probing, unknown)
	})
	return doc
}

// Relist only lists the containers and runs the probes again, for a caller that waits for
// them. It does not ask for the units that labels name.
func Relist(ctx context.Context, env Environment, doc *facts.Document) {
	doc.Podman = nil
	for i := range doc.Units {
		doc.Units[i].Containers, doc.Units[i].Probes = []facts.Container{}, []facts.Probe{}
	}
	loaded := loadedUnits{managed: map[string]string{}}
	for _, u := range doc.Units {
		loaded.managed[u.Name] = u.ManagedBy
	}
	r := newRun(env, doc)
	listing := begin(ctx, podmanLimit, env.Podman.Containers)
	probing := beginProbes(ctx, nil, env.Config.Stacks, doc.Units)
	step(ctx, r, podmanRow, func(ctx context.Context) (containersFound, error) {
		return collectPodman(ctx, env, listing, loaded)
	})
	unknown := unknownState(env.Config.Stacks, nil, doc.Units, nil)
	step(ctx, r, probesRow, func(ctx context.Context) (probesFound, error) {
		return collectProbes(ctx, probing, unknown)
	})
}
