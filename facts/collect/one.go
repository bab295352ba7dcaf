package collect

import (
	"context"
	"fmt"
	"slices"

	"stackpolicy/facts"
)

// Defined is how one unit is defined.
type Defined struct {
	Unit  facts.Unit // its name, files and what is loaded; the other parts are empty
	Known []string   // the names of all units that are loaded or on disk, sorted
}

// Define collects how one unit is defined. The unit need not be managed, and need not exist.
// An alias stands for its unit. Everything that cannot be collected is an error.
func Define(ctx context.Context, env Environment, unit string) (Defined, error) {
	return define(ctx, env, surveyManager, unit)
}

func define(ctx context.Context, env Environment, survey surveyor, unit string) (d Defined, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	doc := newDocument(env.Now())
	r := newRun(env, doc)
	surveying := begin(ctx, systemdLimit, func(limited context.Context) (surveyed, error) { return survey(ctx, limited, env) })
	memory := step(ctx, r, historyRow, func(ctx context.Context) (remembered, error) {
		return collectHistory(ctx, env.Memory, env.Config.Holds, doc.CollectedAt)
	})
	declared := step(ctx, r, homeManagerRow, func(ctx context.Context) (declaration, error) {
		return collectHomeManager(ctx, env)
	})
	asking := beginQuadlets(ctx, env, declared.quadlets)
	sought := scope{env: env, named: unit, memory: memory, declared: declared}
	looks := newLooks(ctx, declared.store())
	loaded := step(ctx, r, systemdRow, func(ctx context.Context) (loadedUnits, error) {
		return collectSystemd(ctx, surveying, sought, looks)
	})
	step(ctx, r, quadletsRow, func(ctx context.Context) (quadletsFound, error) {
		return collectQuadlets(ctx, env, asking, declared.quadlets, loaded)
	})
	loaded.units = doc.Units
	step(ctx, r, filesRow, func(ctx context.Context) (filesFound, error) {
		return collectFiles(ctx, env, doc.CollectedAt, declared, loaded, looks)
	})
	for _, row := range []collector{homeManagerRow, systemdRow, quadletsRow, filesRow} {
		if err := r.failed[row.name]; err != nil {
			return d, fmt.Errorf("collect %s: %w", row.name, err)
		}
	}
	if len(doc.Units) != 1 {
		return d, fmt.Errorf("collect systemd: %d units for %q", len(doc.Units), unit)
	}
	d.Unit = doc.Units[0]
	for name, l := range loaded.listed {
		if l.LoadState != "not-found" { // else other units only name it
			d.Known = append(d.Known, name)
		}
	}
	d.Known = append(d.Known, loaded.index.Names()...)
	slices.Sort(d.Known)
	d.Known = slices.Compact(d.Known)
	return d, nil
}
