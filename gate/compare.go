package gate

import (
	"cmp"
	"fmt"
	"slices"

	"stackpolicy/audit"
	"stackpolicy/finding"
)

// Comparison is how one verdict differs from an earlier one. Its lists are never nil, and
// sorted: the worst first.
type Comparison struct {
	Worse     []Change `json:"worse" jsonschema:"findings that count and were not there before, or were less bad"`
	Undecided []Change `json:"undecided" jsonschema:"what could be decided before and cannot be now, and findings of which it is not known whether they were there before"`
	Remaining []Change `json:"remaining" jsonschema:"findings that count, and were there before"`
	Gone      []Change `json:"gone" jsonschema:"findings that counted before and do not now"`
	Coming    []Change `json:"coming" jsonschema:"what will be found, or found worse, when a grace period is over, if nothing changes"`
}

// The ways in which a finding differs from before.
const (
	New        = "new"
	MoreSevere = "more-severe"
	NotHealed  = "no-longer-healed" // it was a heal, and is an alert
	NotWaived  = "no-longer-waived"
	Undecided  = "undecided"
	WasUnknown = "was-unknown" // whether it was there before is not known
	Remains    = "remains"
	Gone       = "gone"
	UnitGone   = "unit-gone" // with its unit
	Coming     = "coming"
)

// Change is one finding, compared with before.
type Change struct {
	Invariant string           `json:"invariant"`
	Subject   string           `json:"subject"`
	Object    string           `json:"object" jsonschema:"the container, service, probe or file at fault; empty without one"`
	Change    string           `json:"change" jsonschema:"new, more-severe, no-longer-healed, no-longer-waived, undecided, was-unknown, remains, gone, unit-gone or coming"`
	Was       string           `json:"was" jsonschema:"effect and severity before, such as heal/ticket; empty for what was not there"`
	Is        string           `json:"is" jsonschema:"effect and severity now; empty for what is gone"`
	Severity  finding.Severity `json:"severity" jsonschema:"page, ticket or unknown"`
	Message   string           `json:"message"`
	Runbook   string           `json:"runbook" jsonschema:"its file in the policy folder; empty without one"`
	Explain   string           `json:"explain" jsonschema:"the command that says more"`
}

// Compare says what got worse between two verdicts. Findings are the same if they have the
// same invariant, subject and object.
func Compare(before, after Observation) Comparison {
	c := Comparison{Worse: []Change{}, Undecided: []Change{}, Remaining: []Change{}, Gone: []Change{}, Coming: []Change{}}
	was, is := before.Report.Open(), after.Report.Open()
	pairs, left := pair(was, is)
	for i, f := range is {
		old := pairs[i]
		switch change := kind(f, old, was, after.Report); change {
		case "":
		case Remains:
			c.Remaining = append(c.Remaining, changeOf(change, old, &f))
		case Undecided, WasUnknown:
			c.Undecided = append(c.Undecided, changeOf(change, old, &f))
		default:
			c.Worse = append(c.Worse, changeOf(change, old, &f))
		}
		if old != nil && old.Counts() && !f.Counts() {
			c.Gone = append(c.Gone, changeOf(Gone, old, &f))
		}
	}
	for _, old := range left {
		if old.Counts() && !isUnknown(is, old) {
			c.Gone = append(c.Gone, changeOf(goneHow(old, after), &old, nil))
		}
	}
	for _, list := range [][]Change{c.Worse, c.Undecided, c.Remaining, c.Gone} {
		sortChanges(list)
	}
	return c
}

// kind says how a finding differs from the one before; old is nil if there was none. It is
// "" for one that does not count.
func kind(f finding.Finding, old *finding.Finding, was []finding.Finding, after *audit.Report) string {
	switch {
	case !f.Counts():
		return ""
	case f.IsUnknown() && old == nil && (f.Invariant == finding.AuditComplete || !isUnknown(was, f)):
		return Undecided
	case f.IsUnknown():
		return Remains
	case old == nil && isUnknown(was, f):
		return WasUnknown
	case old == nil:
		return New
	case f.Urgency().Level() > old.Urgency().Level():
		return MoreSevere
	case old.Waiver != nil && old.Waiver.Until.After(after.CollectedAt):
		return NotWaived
	case old.Effect == finding.Heal && f.Effect == finding.Block:
		return NotHealed
	}
	return Remains
}

// isUnknown reports whether findings say that it could not be decided if there is a finding
// like f.
func isUnknown(findings []finding.Finding, f finding.Finding) bool {
	return slices.ContainsFunc(findings, func(x finding.Finding) bool {
		return x.IsUnknown() && x.Invariant == f.Invariant && (x.Subject == f.Subject || x.Subject == finding.Host)
	})
}

// pair finds for each finding the earlier one that it continues, nil for none, and the
// earlier ones that nothing continues. Of several with one identity, the worst is paired
// with the worst.
func pair(was, is []finding.Finding) (pairs []*finding.Finding, left []finding.Finding) {
	byID := map[string][]*finding.Finding{}
	for i := range was {
		id := identity(was[i])
		byID[id] = append(byID[id], &was[i])
	}
	for _, same := range byID {
		slices.SortStableFunc(same, func(a, b *finding.Finding) int { return worseFirst(*a, *b) })
	}
	order := make([]int, len(is))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return worseFirst(is[a], is[b]) })
	pairs = make([]*finding.Finding, len(is))
	for _, i := range order {
		id := identity(is[i])
		if same := byID[id]; len(same) > 0 {
			pairs[i], byID[id] = same[0], same[1:]
		}
	}
	for i := range was {
		if slices.Contains(byID[identity(was[i])], &was[i]) {
			left = append(left, was[i])
		}
	}
	return pairs, left
}

func worseFirst(a, b finding.Finding) int {
	return cmp.Or(cmp.Compare(b.Level(), a.Level()), cmp.Compare(b.Urgency().Level(), a.Urgency().Level()))
}

// identity is that of a finding. What could not be decided is another thing than what was
// found, and so are two gaps of which the collectors or, of the configuration, the texts differ.
func identity(f finding.Finding) string {
	id := f.Identity()
	if !f.IsUnknown() {
		return id
	}
	collector, _ := f.Evidence["collector"].(string)
	if collector == "config" {
		collector += f.Message
	}
	return id + "\x00unknown\x00" + collector
}

func goneHow(f finding.Finding, after Observation) string {
	if f.Subject == finding.Host || slices.Contains(after.Document.Subjects(), f.Subject) {
		return Gone
	}
	return UnitGone
}

// changeOf describes a finding: was is nil if it was not there, is if it is gone.
func changeOf(change string, was, is *finding.Finding) Change {
	f := is
	if f == nil {
		f = was
	}
	return Change{
		Invariant: f.Invariant, Subject: f.Subject, Object: f.Object(), Change: change, Was: level(was), Is: level(is),
		Severity: f.Urgency(), Message: f.Message, Runbook: f.Runbook, Explain: explain(*f),
	}
}

// level has effect and severity, as stackpolicy impact says them.
func level(f *finding.Finding) string {
	if f == nil {
		return ""
	}
	words := fmt.Sprintf("%s/%s", f.Effect, f.Urgency())
	if f.Waiver != nil {
		words += ", waived"
	}
	return words
}

// explain is the command that says more about a finding.
func explain(f finding.Finding) string {
	if f.Invariant == finding.AuditComplete { // no rule has it
		return "stackpolicy eval"
	}
	return "stackpolicy explain " + f.Subject + " " + f.Invariant
}

func sortChanges(list []Change) {
	slices.SortStableFunc(list, func(a, b Change) int {
		return cmp.Or(cmp.Compare(b.Severity.Level(), a.Severity.Level()), cmp.Compare(a.Subject, b.Subject),
			cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(a.Object, b.Object))
	})
}
