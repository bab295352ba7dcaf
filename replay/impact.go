package replay

import (
	"context"
	"slices"
	"strings"
	"time"

	"stackpolicy/alerts"
	"stackpolicy/decide"
	"stackpolicy/enforce"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// ImpactSchema names the JSON of an [Impact].
const ImpactSchema = "stackpolicy.impact/v1"

// Impact is what other rules would have changed. Its JSON is stackpolicy.impact/v1.
type Impact struct {
	Schema    string    `json:"schema"`
	Since     time.Time `json:"since"` // that of the first audit, for all of them
	Until     time.Time `json:"until"` // the end of the last audit; zero without any
	Audits    int       `json:"audits"`
	Documents int       `json:"documents"`
	Assumed   int       `json:"assumed"` // audits that are compared with the present rules, as those of then are not kept
	// ExactUntil is when the first action would have been another one: from there on the
	// facts would have been others too, and all that is said is a guess. It is Until if
	// there is no such action.
	ExactUntil time.Time      `json:"exact_until"`
	Findings   []Changed      `json:"findings"`
	Alerts     []AlertChange  `json:"alerts"`
	Actions    []ActionChange `json:"actions"`
	Unknown    []Unknown      `json:"unknown"` // audits that cannot be decided again
	Strips     []Strip        `json:"-"`       // how each subject was, the host first; empty unless they were asked for
}

// IsNone reports whether nothing would have been another thing.
func (i Impact) IsNone() bool { return len(i.Findings)+len(i.Alerts)+len(i.Actions) == 0 }

// The ways in which a finding changes.
const (
	New      = "new"
	Gone     = "gone"
	Effect   = "effect"
	Severity = "severity"
)

// Changed is a finding that would have been another one.
type Changed struct {
	Invariant string    `json:"invariant"`
	Subject   string    `json:"subject"`
	Change    string    `json:"change"` // new, gone, effect or severity
	Before    string    `json:"before"` // effect and severity, such as block/page; "" for new
	After     string    `json:"after"`  // "" for gone
	Message   string    `json:"message"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	Audits    int       `json:"audits"`
}

// AlertChange is an alert about a new finding that would have gone out, or would not.
type AlertChange struct {
	At        time.Time        `json:"at"`
	Invariant string           `json:"invariant"`
	Subject   string           `json:"subject"`
	Severity  finding.Severity `json:"severity"`
	Change    string           `json:"change"` // new or gone
}

// ActionChange is an action that would have run, or would not.
type ActionChange struct {
	At      time.Time      `json:"at"`
	Action  finding.Action `json:"action"`
	Subject string         `json:"subject"`
	Change  string         `json:"change"`  // new or gone
	Certain bool           `json:"certain"` // no action before it was another one
}

// Compare says what the rules after would have changed, had they decided in the place of
// those of then. Where the rules of then are not kept, before decides; with Options.Present
// it decides always. Audits with the same facts and result are one: they are decided at the
// first and at the last time. An action is compared for audits that enforced; the guards,
// budgets and breakers are the real ones, on the recorded facts.
func Compare(ctx context.Context, from Recording, before, after *decide.Policies, o Options) (Impact, error) {
	i := Impact{
		Schema: ImpactSchema, Since: o.Since.UTC(),
		Findings: []Changed{}, Alerts: []AlertChange{}, Actions: []ActionChange{}, Unknown: []Unknown{},
	}
	spans, err := from.Audits(ctx, o.Since, maxSpans)
	if err != nil {
		return i, err
	}
	slices.Reverse(spans)
	ran, err := from.Actions(ctx, o.Since, maxSpans)
	if err != nil {
		return i, err
	}
	slices.Reverse(ran)
	c := &comparison{
		Impact: &i, p: &player{Options: o, from: from, loaded: map[string]*loaded{}}, before: before, after: after,
		alerts: [2]incidents{{}, {}}, open: map[string]int{}, strips: strips{of: map[string]*Strip{}},
	}
	documents := map[string]bool{}
	if len(spans) > 0 && i.Since.IsZero() {
		i.Since = spans[0].From
	}
	for n, span := range spans {
		if err := ctx.Err(); err != nil {
			return i, err
		}
		if o.Progress != nil {
			o.Progress(n, len(spans))
		}
		i.Audits += span.Count
		i.Until = span.To
		if span.DocumentDigest != "" {
			documents[span.DocumentDigest] = true
		}
		for len(ran) > 0 && !ran[0].At.After(span.From) {
			if reason := c.recorded(ctx, ran[0]); reason != "" {
				i.Unknown = addUnknown(i.Unknown, history.AuditSpan{From: ran[0].At, To: ran[0].At, Count: 1}, reason)
			}
			ran = ran[1:]
		}
		if reason := c.span(ctx, span); reason != "" {
			i.Unknown = addUnknown(i.Unknown, span, reason)
		}
	}
	i.Documents, i.Strips = len(documents), c.strips.all()
	if i.ExactUntil.IsZero() {
		i.ExactUntil = i.Until
	}
	return i, nil
}

// comparison decides spans with two rule books.
type comparison struct {
	*Impact
	p             *player
	before, after *decide.Policies
	alerts        [2]incidents
	open          map[string]int // the index in Findings of what changed in the last span
	strips        strips
}

// span compares the audits of a span. It returns why it cannot.
func (c *comparison) span(ctx context.Context, span history.AuditSpan) (unknown string) {
	if span.DocumentDigest == "" {
		return "their facts are not kept any more"
	}
	then := c.before
	switch rules := c.p.rules(ctx, span.PolicyDigest); {
	case rules.policies != nil:
		then = rules.policies
	case !rules.notKept:
		return rules.unknown
	default:
		c.Assumed += span.Count
	}
	times := []time.Time{span.From}
	if !span.To.Equal(span.From) {
		times = append(times, span.To)
	}
	for n, at := range times {
		doc, err := c.p.from.Document(ctx, span.DocumentDigest, at)
		if err != nil {
			return err.Error()
		}
		audits := span.Count // at one time, or between both
		if len(times) == 2 {
			audits = []int{1, span.Count - 1}[n]
		}
		var results [2]decide.Result
		prepared := c.p.series.Prepare(doc)
		for k, p := range []*decide.Policies{then, c.after} {
			if results[k], err = c.decide(ctx, p, prepared); err != nil {
				return err.Error()
			}
		}
		c.findings(at, audits, results[0], results[1])
		c.alert(at, results)
		if c.p.Strips {
			c.strips.look(at, n > 0, results)
		}
		if span.Mode == "enforce" {
			c.act(at, doc, [2]*decide.Policies{then, c.after}, results)
		}
	}
	return ""
}

func (c *comparison) decide(ctx context.Context, p *decide.Policies, doc *decide.Prepared) (decide.Result, error) {
	if c.p.Strips {
		return p.DecidePrepared(ctx, doc)
	}
	return p.Findings(ctx, doc)
}

// byIdentity returns the findings that are open, or waived, by what makes each the same one
// in the next audit.
func byIdentity(r decide.Result) map[string]finding.Finding {
	found := map[string]finding.Finding{}
	for _, f := range r.Decisions {
		if !f.IsAllowed() {
			found[f.Identity()] = f
		}
	}
	return found
}

func level(f finding.Finding) string {
	text := string(f.Effect) + "/" + string(f.Severity)
	if f.Waiver != nil {
		text += ", waived"
	}
	return text
}

func (c *comparison) findings(at time.Time, audits int, before, after decide.Result) {
	was, is, open := byIdentity(before), byIdentity(after), map[string]int{}
	note := func(id, change, b, a string, f finding.Finding) {
		key := strings.Join([]string{id, change, b, a}, "\x00")
		n, continues := c.open[key]
		if !continues {
			n = len(c.Findings)
			c.Findings = append(c.Findings, Changed{
				Invariant: f.Invariant, Subject: f.Subject, Change: change, Before: b, After: a, Message: f.Message, First: at,
			})
		}
		c.Findings[n].Last, c.Findings[n].Audits = at, c.Findings[n].Audits+audits
		open[key] = n
	}
	for _, f := range sortedByIdentity(is) {
		id := f.Identity()
		old, had := was[id]
		switch {
		case !had:
			note(id, New, "", level(f), f)
		case old.Effect != f.Effect:
			note(id, Effect, level(old), level(f), f)
		case level(old) != level(f):
			note(id, Severity, level(old), level(f), f)
		}
	}
	for _, f := range sortedByIdentity(was) {
		if _, has := is[f.Identity()]; !has {
			note(f.Identity(), Gone, level(f), "", f)
		}
	}
	c.open = open
}

func sortedByIdentity(found map[string]finding.Finding) []finding.Finding {
	list := []finding.Finding{}
	for _, f := range found {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b finding.Finding) int { return strings.Compare(a.Identity(), b.Identity()) })
	return list
}

// incident is a finding that counts, over time.
type incident struct {
	seen  time.Time // last
	isNow bool
}

// incidents has them by identity.
type incidents map[string]*incident

// see returns the findings that begin at a time. One that is back before an alert would have
// said that it is resolved is the same incident.
func (i incidents) see(at time.Time, r decide.Result) (begun []finding.Finding) {
	now := map[string]bool{}
	for _, f := range sortedByIdentity(byIdentity(r)) {
		if !f.Counts() || f.IsUnknown() {
			continue
		}
		id := f.Identity()
		now[id] = true
		if i[id] == nil || !i[id].isNow && at.Sub(i[id].seen) > alerts.Hold {
			begun = append(begun, f)
		}
		i[id] = &incident{at, true}
	}
	for id, x := range i {
		x.isNow = now[id]
	}
	return begun
}

// alert compares the alerts about findings that begin.
func (c *comparison) alert(at time.Time, results [2]decide.Result) {
	was, is := c.alerts[0].see(at, results[0]), c.alerts[1].see(at, results[1])
	note := func(from, other []finding.Finding, change string) {
		for _, f := range from {
			if !slices.ContainsFunc(other, func(g finding.Finding) bool { return f.Identity() == g.Identity() && f.Severity == g.Severity }) {
				c.Alerts = append(c.Alerts, AlertChange{at, f.Invariant, f.Subject, f.Severity, change})
			}
		}
	}
	note(is, was, New)
	note(was, is, Gone)
}

// act compares the actions that an audit which enforces would have run on a document. One
// that ran has changed the facts: what was recorded before it is compared by recorded.
func (c *comparison) act(at time.Time, doc *facts.Document, rules [2]*decide.Policies, results [2]decide.Result) {
	var planned [2][]enforce.Action
	for k := range results {
		planned[k] = plan(rules[k], doc, results[k])
	}
	c.differ(at, planned[0], planned[1])
}

func plan(p *decide.Policies, doc *facts.Document, r decide.Result) []enforce.Action {
	e := enforce.Enforcer{Settings: p.Settings()}
	all := e.Preview(enforce.Plan(r.Decisions), enforce.Observation{Document: doc, Result: r})
	return slices.DeleteFunc(all, func(a enforce.Action) bool { return a.Status == enforce.Refused })
}

// differ notes the actions that are only in one of two plans.
func (c *comparison) differ(at time.Time, before, after []enforce.Action) {
	note := func(from, other []enforce.Action, change string) {
		for _, a := range from {
			if !slices.ContainsFunc(other, func(b enforce.Action) bool { return a.Action == b.Action && a.Subject == b.Subject }) {
				certain := c.p.Apart || c.ExactUntil.IsZero() || c.ExactUntil.Equal(at)
				if !c.p.Apart {
					c.ExactUntil = orFirst(c.ExactUntil, at)
				}
				c.Actions = append(c.Actions, ActionChange{at, a.Action, a.Subject, change, certain})
			}
		}
	}
	note(after, before, New)
	note(before, after, Gone)
}

func orFirst(known, at time.Time) time.Time {
	if known.IsZero() {
		return at
	}
	return known
}

// recorded compares an action that ran with what would have run in its place.
func (c *comparison) recorded(ctx context.Context, a history.Action) (unknown string) {
	if a.Status == history.Refused {
		return ""
	}
	if a.Before == "" {
		return "the facts before " + string(a.Action) + " of " + a.Subject + " are not kept any more"
	}
	doc, err := c.p.from.Document(ctx, a.Before, a.At)
	if err != nil {
		return err.Error()
	}
	r, err := c.after.Findings(ctx, c.p.series.Prepare(doc))
	if err != nil {
		return err.Error()
	}
	ran := []enforce.Action{{Action: a.Action, Subject: a.Subject}}
	instead := slices.DeleteFunc(plan(c.after, doc, r), func(b enforce.Action) bool {
		return b.Action != a.Action || b.Subject != a.Subject // others are compared by act
	})
	c.differ(a.At, ran, instead)
	return ""
}
