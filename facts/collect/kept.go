package collect

import (
	"context"
	"slices"
	"sync"

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
	change Change
	failed bool // a collector, in the last collection

	conn     surveyable
	close    func()
	surveyor surveyor // nil: [surveyManager]
	survey   surveyed
	raw      map[string]keptUnit // as the manager answered, by the name that was asked
	declared once[declaration]
	walked   map[string]walkedUnit
	manager  *facts.ManagerFiles
	dirty    map[string]bool // names of units whose state or files changed

	containers once[listing]
	images     once[imageList]
	events     once[eventList]
	storage    once[storageAt]
	quadlets   once[refusedBy]
	answers    once[probesFound]
}

// once has the last answer to a question. Several goroutines may use it: a collector that was
// abandoned may answer late.
type once[T any] struct {
	lock   sync.Mutex
	has    bool
	round  int // in which it was asked
	answer T
}

// get asks if there is no answer, or an old one. An error is not kept.
func (o *once[T]) get(isOld func(T) bool, ask func() (T, error)) (T, error) {
	o.lock.Lock()
	if o.has && !isOld(o.answer) {
		defer o.lock.Unlock()
		return o.answer, nil
	}
	o.has = false
	o.round++
	round := o.round
	o.lock.Unlock()
	answer, err := ask()
	o.lock.Lock()
	defer o.lock.Unlock()
	if err == nil && round == o.round {
		o.answer, o.has = answer, true
	}
	return answer, err
}

// Collect takes one snapshot, as [Collect] does, after a change.
func (k *Kept) Collect(ctx context.Context, env Environment, change Change) *facts.Document {
	change.Whole = change.Whole || k.failed || k.walked == nil || !k.understands(env, change)
	if k.surveyor == nil {
		k.surveyor = surveyManager
	}
	if k.change = change; change.Whole {
		k.Close()
		k.raw, k.walked, k.manager, k.survey = nil, nil, nil, surveyed{}
	}
	doc := collect(ctx, k.environment(env), k.ask)
	k.failed = slices.ContainsFunc(collectors(), func(c collector) bool {
		status, ran := doc.Collectors[c.name]
		return ran && !status.OK
	})
	return doc
}

// Failed reports whether a collector failed in the last collection.
func (k *Kept) Failed() bool { return k.failed }

// Close closes the connection to the manager. The next collection opens another one.
func (k *Kept) Close() {
	if k.close != nil {
		k.close()
	}
	k.close, k.conn = nil, nil
}

// isWhole reports whether nothing was kept. Collections of their own have no Kept.
func (k *Kept) isWhole() bool { return k == nil || k.change.Whole }

// old reports whether an answer is old whatever it is.
func old[T any](is bool) func(T) bool { return func(T) bool { return is } }

// declaration is collected again only where the change says so.
func (k *Kept) declaration(collect func() (declaration, error)) (declaration, error) {
	if k == nil {
		return collect()
	}
	return k.declared.get(old[declaration](k.change.Whole || k.change.Declared), collect)
}

// probes are asked again if there are others.
func (k *Kept) probes(questions probesFound, ask func() (probesFound, error)) (probesFound, error) {
	if k == nil {
		return ask()
	}
	isOld := func(last probesFound) bool {
		return k.change.Whole || k.change.Probes || !slices.EqualFunc(last, questions, func(a, b question) bool { return a.unit == b.unit && a.probe == b.probe })
	}
	return k.answers.get(isOld, ask)
}
