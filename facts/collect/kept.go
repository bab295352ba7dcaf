package collect

import (
	"context"
	"maps"
	"slices"

	"stackpolicy/facts"
)

// Change says what may be another one than at the last collection of a [Kept].
type Change struct {
	// Whole means anything: nothing of the last collection is used.
	Whole bool
	// Units are those of which the manager said that they changed, appeared or went.
	Units map[string]bool
	// Paths are files and folders that changed, absolute.
	Paths map[string]bool
	// Containers, Images, Probes and the declaration are asked for again.
	Containers, Images, Probes, Declared bool
}

// Kept collects again and again, and asks only for what changed. A document is the same as
// [Collect] would make of the same system, if each change between two collections was named.
// The zero value is ready, and collects everything first. Use it from one goroutine, and
// close it.
//
// What a change may concern is decided with caution: a file that is not one of a known unit
// makes the next collection a whole one. So does each collector that failed.
type Kept struct {
	surveyor surveyor // nil: [surveyManager]
	last     *kept    // nil: nothing was collected, or all of it is to be collected again
	failed   bool     // a collector, in the last collection
}

// kept is what one whole collection and the partial ones after it have found. A collector that
// was abandoned writes into the one of its collection, which is not used again.
type kept struct {
	change Change

	conn     surveyable
	close    func()
	surveyor surveyor
	survey   surveyed
	raw      map[string]keptUnit // as the manager answered, by the name that was asked
	asked    map[string]bool     // names that this collection asked for
	declared once[declaration]
	walked   map[string]walkedUnit
	manager  *facts.ManagerFiles
	links    map[string]bool // names in the transient folder that are links to other units
	dirty    map[string]bool // names of units whose state or files changed
	went     map[string]bool // those that are no longer in memory
	pulled   map[string]bool // those that units pull in which were not
	again    map[string]bool // those that were asked for again

	containers once[listing]
	images     once[imageList]
	events     once[eventList]
	storage    once[storageAt]
	quadlets   once[refusedBy]
	answers    once[probesFound]
}

// once has the last answer to a question, which one collector asks.
type once[T any] struct {
	has    bool
	answer T
}

// get asks if there is no answer, or an old one. An error is not kept.
func (o *once[T]) get(isOld func(T) bool, ask func() (T, error)) (T, error) {
	if o.has && !isOld(o.answer) {
		return o.answer, nil
	}
	answer, err := ask()
	o.answer, o.has = answer, err == nil
	return answer, err
}

// Collect takes one snapshot, as [Collect] does, after a change.
func (k *Kept) Collect(ctx context.Context, env Environment, change Change) *facts.Document {
	if change.Whole || k.failed || k.last == nil || !k.last.understands(env, change) {
		k.Close()
		change.Whole = true
		k.last = &kept{surveyor: k.surveyor}
		if k.surveyor == nil {
			k.last.surveyor = surveyManager
		}
	}
	k.last.change, k.last.asked, k.last.again = change, map[string]bool{}, map[string]bool{}
	doc := collect(ctx, k.last.environment(env), k.last.ask)
	k.failed = slices.ContainsFunc(collectors(), func(c collector) bool {
		status, ran := doc.Collectors[c.name]
		return ran && !status.OK
	})
	if !k.failed {
		k.last.forget()
	}
	return doc
}

// forget forgets the units that nothing asks for any more.
func (k *kept) forget() {
	maps.DeleteFunc(k.raw, func(name string, _ keptUnit) bool { return !k.asked[name] })
}

// Failed reports whether a collector failed in the last collection.
func (k *Kept) Failed() bool { return k.failed }

// Close closes the connection to the manager. The next collection opens another one, and collects
// everything.
func (k *Kept) Close() {
	if k.last != nil && k.last.close != nil {
		k.last.close()
	}
	k.last = nil
}

// isWhole reports whether nothing was kept. Collections of their own have no kept.
func (k *kept) isWhole() bool { return k == nil || k.change.Whole }

// old reports whether an answer is old whatever it is.
func old[T any](is bool) func(T) bool { return func(T) bool { return is } }

// declaration is collected again where the change says so, and while an activation is not at its
// end: its service and its links change without an event.
func (k *kept) declaration(collect func() (declaration, error)) (declaration, error) {
	if k == nil {
		return collect()
	}
	return k.declared.get(func(last declaration) bool {
		return k.change.Whole || k.change.Declared || !slices.Contains([]string{"none", "current"}, last.section.Activation.State)
	}, collect)
}

// probes are asked again if there are others.
func (k *kept) probes(questions probesFound, ask func() (probesFound, error)) (probesFound, error) {
	if k == nil {
		return ask()
	}
	isOld := func(last probesFound) bool {
		return k.change.Whole || k.change.Probes || !slices.EqualFunc(last, questions, func(a, b question) bool { return a.unit == b.unit && a.probe == b.probe })
	}
	return k.answers.get(isOld, ask)
}
