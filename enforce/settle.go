package enforce

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"stackpolicy/facts"
)

// maxObservations bounds the wait until files no longer change. They must be unchanged
// for a while (settings: settle), because a reload between two writes of one change would
// load half of it.
const maxObservations = 6

// settled observes again until no file of a managed unit has just changed and two
// observations, one after the other, have the same files. first is the previous
// observation.
func (e Enforcer) settled(ctx context.Context, first Observation) (Observation, error) {
	before := first
	for range maxObservations {
		now, err := e.Observe(ctx)
		if err != nil {
			return now, err
		}
		if sameFiles(before, now) && !e.justChanged(now) {
			return now, nil
		}
		before = now
		select {
		case <-time.After(e.Settings.Settle):
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
	return before, errors.New("unit files keep changing")
}

func sameFiles(a, b Observation) bool {
	if len(a.Document.Units) != len(b.Document.Units) || !reflect.DeepEqual(a.Document.ManagerFiles, b.Document.ManagerFiles) {
		return false
	}
	for i, u := range a.Document.Units {
		if u.Name != b.Document.Units[i].Name || !reflect.DeepEqual(u.Files, b.Document.Units[i].Files) {
			return false
		}
	}
	return true
}

func (e Enforcer) justChanged(o Observation) bool {
	isNew := func(changed *time.Time) bool {
		if changed == nil {
			return false
		}
		age := o.Document.CollectedAt.Sub(*changed)
		return age >= 0 && age < e.Settings.Settle
	}
	for _, u := range o.Document.Units {
		if u.IsManaged() && slices.ContainsFunc(u.Files, func(f facts.File) bool { return isNew(f.ChangedAt) }) {
			return true
		}
	}
	if o.Document.ManagerFiles == nil {
		return false
	}
	return slices.ContainsFunc(o.Document.ManagerFiles.Files, func(f facts.ManagerFile) bool { return isNew(f.ChangedAt) })
}
