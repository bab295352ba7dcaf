package decide

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/finding"
)

// Memory keeps answers. What it loses is decided again.
type Memory interface {
	// Recall returns the answers that it has, by key.
	Recall(ctx context.Context, keys []string) (map[string][]byte, error)
	// Keep keeps answers. It must not change them.
	Keep(ctx context.Context, answers map[string][]byte) error
}

// remembering returns the policies with the memory of their options.
func (p *Policies) remembering() *Policies {
	r := *p
	r.evaluator = &remembering{rules: p.evaluator, memory: p.opts.Memory, base: p.opts.Program + "\x00" + facts.Schema}
	return &r
}

// remembering evaluates only what it does not remember.
type remembering struct {
	rules  Evaluator
	memory Memory
	base   string // of each key
}

// Evaluate answers for an invariant of which units can be decided one by one from what is
// remembered of each unit and of the host, and from one evaluation of a document that has
// only the other units. It answers for the others if nothing that they read has changed.
func (r *remembering) Evaluate(ctx context.Context, doc *Prepared, invariants []*policy.Invariant, answer func(int, Answer)) {
	digests, err := newDigests(doc)
	if err != nil { // it has something that cannot be told apart
		r.rules.Evaluate(ctx, doc, invariants, answer)
		return
	}
	c := &recollection{
		remembering: r, ctx: ctx, doc: doc, digests: digests, invariants: invariants, answer: answer,
		hosts: make([]string, len(invariants)), places: make([]string, len(invariants)), tags: make([]string, len(invariants)), timed: make([]string, len(invariants)), kept: map[string][]byte{},
	}
	c.recall()
	c.evaluate(c.jobs())
	c.keep()
}

// recollection is one document that is being decided with a memory.
type recollection struct {
	*remembering
	ctx        context.Context
	doc        *Prepared
	digests    *digests
	invariants []*policy.Invariant
	answer     func(int, Answer)

	hosts []string // the key of each invariant's findings about the host, or of all; "" has none
	// places has, for an invariant about all units, a key of what it reads of them; "" if
	// nothing has changed, or it reads all.
	places []string
	tags   []string // of each invariant: itself and what it reads besides a unit
	timed  []string // likewise, for a unit of which its answer is only true at one time
	rows   []row    // of each unit
	known  map[string][]byte
	kept   map[string][]byte // to be kept, about the host
}

// recall reads everything that is remembered of the document.
func (c *recollection) recall() {
	keys := []string{}
	for i, inv := range c.invariants {
		head := c.digests.of(inv.Scope.Head())
		c.tags[i] = keyOf(inv.ID, inv.Digest, head)[:tagSize]
		c.timed[i] = keyOf(inv.ID, inv.Digest, head, "timed")[:tagSize]
		if inv.Scope.Whole {
			continue
		}
		c.hosts[i] = c.hostKey(inv, "")
		if c.readsAll(inv) {
			c.hosts[i] = c.hostKey(inv, c.digests.all)
		}
		keys = append(keys, c.hosts[i])
	}
	c.rows = make([]row, len(c.doc.Units))
	for u := range c.rows {
		c.rows[u].key = keyOf(c.base, "unit", c.digests.units[u].digest)
		keys = append(keys, c.rows[u].key)
	}
	if c.known, _ = c.memory.Recall(c.ctx, keys); c.known == nil {
		c.known = map[string][]byte{}
	}
	c.recallPlaces()
	for u := range c.rows {
		c.rows[u] = c.digests.units[u].row(c.rows[u].key, c.known[c.rows[u].key])
	}
}

// readsAll reports whether the findings depend on several units.
func (c *recollection) readsAll(inv *policy.Invariant) bool {
	return inv.Scope.Units && !inv.Scope.PerUnit()
}

// hostKey is the key of what was decided for the document as it is. A finding about what is
// no subject any more is an error.
func (c *recollection) hostKey(inv *policy.Invariant, units string) string {
	named := c.digests.named
	if inv.Scope.PerUnit() { // then it is about the host
		named = ""
	}
	return keyOf(c.base, "host", inv.ID, inv.Digest, c.digests.of(inv.Scope.Head()), named, units)
}

// recallPlaces looks for invariants about all units, if a unit has changed, whether what they
// read of each has.
func (c *recollection) recallPlaces() {
	keys := []string{}
	for i, inv := range c.invariants {
		_, isKnown := c.known[c.hosts[i]]
		places, all := inv.Scope.OfUnits()
		if c.hosts[i] == "" || isKnown || !c.readsAll(inv) || all {
			continue
		}
		c.places[i] = c.hostKey(inv, c.digests.ofUnits(places))
		keys = append(keys, c.places[i])
	}
	if len(keys) == 0 {
		return
	}
	known, _ := c.memory.Recall(c.ctx, keys)
	for i, key := range c.places {
		if data, ok := unseal(key, known[key]); key != "" && ok {
			c.known[c.hosts[i]] = seal(c.hosts[i], data)
			c.kept[c.hosts[i]] = c.known[c.hosts[i]]
		}
	}
}

// job is an invariant that must be evaluated for some units; nil is the whole document.
type job struct {
	invariant int
	units     []int
}

// jobs answers for what is remembered as a whole, and returns what is left.
func (c *recollection) jobs() []job {
	var jobs []job
	for i, inv := range c.invariants {
		host, hasHost := c.host(i)
		switch {
		case !inv.Scope.PerUnit() && hasHost:
			c.answer(i, Answer{Findings: host})
		case !inv.Scope.PerUnit():
			jobs = append(jobs, job{invariant: i})
		default:
			missing := c.missing(i)
			if len(missing) == 0 && hasHost {
				c.answer(i, Answer{Findings: c.together(i, host)})
				continue
			}
			if len(missing) == len(c.rows) {
				missing = nil
			}
			jobs = append(jobs, job{i, missing})
		}
	}
	return jobs
}

// host returns what is remembered of the host.
func (c *recollection) host(i int) ([]finding.Finding, bool) {
	var found []remembered
	data, ok := unseal(c.hosts[i], c.known[c.hosts[i]])
	if ok && string(data) == "[]" { // as most times
		return nil, true
	}
	ok = ok && decode(data, &found)
	return plain(found), ok
}

func plain(found []remembered) []finding.Finding {
	var list []finding.Finding
	for _, f := range found {
		f.Finding.Action = f.Action
		list = append(list, f.Finding)
	}
	return list
}

// missing returns the units of which nothing is remembered.
func (c *recollection) missing(i int) []int {
	missing := []int{}
	for u := range c.rows {
		if !c.rows[u].has(c.tags[i]) {
			missing = append(missing, u)
		}
	}
	return missing
}

// together returns the findings about the host with what is remembered of units.
func (c *recollection) together(i int, host []finding.Finding) []finding.Finding {
	all, tag := slices.Clone(host), hex.EncodeToString([]byte(c.tags[i]))
	for u := range c.rows {
		all = append(all, plain(c.rows[u].found[tag])...)
	}
	return all
}

// evaluate evaluates the jobs, those for the same units together.
func (c *recollection) evaluate(jobs []job) {
	var whole, timed []job
	for _, group := range byUnits(jobs) {
		for k, a := range c.ask(group) {
			j := group[k]
			switch {
			case a.Err != nil && j.units != nil: // what the error is, the whole document says
				whole = append(whole, job{invariant: j.invariant})
			case a.Err != nil || !c.invariants[j.invariant].Scope.PerUnit():
				c.answer(j.invariant, a)
				c.keepAnswer(j, a)
			default:
				c.answer(j.invariant, c.complete(j, a))
				if a.ReadTime {
					timed = append(timed, j)
				}
			}
		}
	}
	for _, group := range byUnits(whole) {
		for k, a := range c.ask(group) {
			c.answer(group[k].invariant, a)
		}
	}
	c.narrow(timed)
}

// complete puts the answer for some units together with what is remembered of the others,
// and keeps it, unless it is only true at this time.
func (c *recollection) complete(j job, a Answer) Answer {
	about, host := c.sort(a.Findings)
	if known, has := c.host(j.invariant); has {
		host = known
	}
	all := c.together(j.invariant, host)
	for _, found := range about {
		all = append(all, found...)
	}
	c.keepAnswer(j, a)
	return Answer{Findings: all, ReadTime: a.ReadTime}
}

// sort parts the findings about units, by their index, from those about the host.
func (c *recollection) sort(findings []finding.Finding) (about map[int][]finding.Finding, host []finding.Finding) {
	about = map[int][]finding.Finding{}
	for _, f := range findings {
		if u, is := c.digests.index[f.Subject]; is {
			about[u] = append(about[u], f)
		} else {
			host = append(host, f)
		}
	}
	return about, host
}

// byUnits puts jobs together that are about the same units.
func byUnits(jobs []job) (groups [][]job) {
	at := map[string]int{}
	for _, j := range jobs {
		key := fmt.Sprint(j.units == nil, j.units)
		if _, has := at[key]; !has {
			at[key] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[key]] = append(groups[at[key]], j)
	}
	return groups
}

func (c *recollection) unitsOf(j job) []int {
	if j.units != nil {
		return j.units
	}
	all := make([]int, len(c.rows))
	for u := range all {
		all[u] = u
	}
	return all
}

// ask evaluates jobs for the same units, and returns the answers that there are by the index
// of their job.
func (c *recollection) ask(group []job) map[int]Answer {
	doc := c.doc
	if units := group[0].units; units != nil {
		doc = doc.only(units)
	}
	invariants := make([]*policy.Invariant, len(group))
	for k, j := range group {
		invariants[k] = c.invariants[j.invariant]
	}
	answers, mu := map[int]Answer{}, sync.Mutex{}
	c.rules.Evaluate(c.ctx, doc, invariants, func(k int, a Answer) {
		mu.Lock()
		defer mu.Unlock()
		answers[k] = a
	})
	return answers
}
