package stack

import (
	"context"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/finding"
)

// StatusSchema names the version of the shape that status -o json has.
const StatusSchema = "stackctl.status/v1"

// Status is how one stack is.
type Status struct {
	Stack       string           `json:"stack"`
	Unit        string           `json:"unit"`
	State       string           `json:"state"` // the name of an outcome: up, up-apply-failed, degraded, down, unknown
	ActiveState string           `json:"active_state"`
	Result      string           `json:"result"` // systemd's, of the unit's last run
	Services    []ServiceStatus  `json:"services"`
	AppliedAt   *time.Time       `json:"applied_at,omitempty"`
	LastStep    string           `json:"last_step"`    // how far the last apply came
	LastStatus  int              `json:"last_status"`  // and its exit status there
	LastMessage string           `json:"last_message"` // and what it said
	Problems    []string         `json:"problems"`     // what keeps it from being up
	Audit       []AuditedFinding `json:"audit"`        // what else the audit finds on its unit
	Hint        string           `json:"hint"`

	outcome Outcome
}

// Outcome returns the one that State names.
func (s Status) Outcome() Outcome { return s.outcome }

// ServiceStatus is how one container of a service is.
type ServiceStatus struct {
	Service   string     `json:"service"`
	Container string     `json:"container"` // empty when it has none
	State     string     `json:"state"`
	Health    string     `json:"health"`
	ExitCode  int        `json:"exit_code"`
	Restarts  int        `json:"restarts"`
	StartedAt *time.Time `json:"started_at,omitempty"`
}

// AuditedFinding is one finding of an invariant.
type AuditedFinding struct {
	Invariant string `json:"invariant"`
	Severity  string `json:"severity"`
	Message   string `json:"message"`
}

// Status observes the stacks and changes nothing.
func (o *Operator) Status(ctx context.Context, stacks []Stack) ([]Status, error) {
	doc := collect.Collect(ctx, o.Env)
	audited, err := o.Policies.Decide(ctx, doc)
	if err != nil {
		return nil, err
	}
	out := []Status{}
	for _, s := range stacks {
		status, err := statusOf(ctx, rules{o.Policies}, s, doc, audited.Decisions)
		if err != nil {
			return nil, err
		}
		out = append(out, status)
	}
	return out, nil
}

// statusOf is one stack's status, by a document and what an audit decided on it.
func statusOf(ctx context.Context, r rules, s Stack, doc *facts.Document, audited []finding.Finding) (Status, error) {
	st := Status{
		Stack: s.Name, Unit: s.Unit, Services: []ServiceStatus{}, Problems: []string{}, Audit: []AuditedFinding{},
	}
	u := unitIn(doc, s.Unit)
	if u == nil {
		st.set(Unknown, append([]string{"the manager could not be asked"}, strings.Split(doc.Collectors["systemd"].Error, "\n")...)...)
		return st, nil
	}
	st.describe(*u)
	st.audited(audited)
	unit := *u // up or not, whatever the unit's state is
	unit.Verify = &facts.Verify{Restarted: []string{}, Healthy: s.Verify.NeedsHealth()}
	v, err := r.judge(ctx, doc, unit)
	if err != nil {
		return st, err
	}
	for _, d := range v.findings {
		st.Problems = append(st.Problems, d.Message)
	}
	st.judge(*u, v)
	return st, nil
}

func (st *Status) judge(u facts.Unit, v verdict) {
	failed := u.Loaded != nil && u.Loaded.ActiveState == "failed"
	switch n := countRunning(u.Containers); {
	case v.err != nil:
		st.set(Unknown, lines(v.err)...)
	case u.Loaded == nil:
		st.set(Unknown, "the manager does not know "+u.Name)
	case n == 0 && !isOneShotsOnly(u):
		st.set(Down)
		st.Hint = "apply it: systemctl --user restart " + u.Name
	case len(v.findings) > 0:
		st.set(Degraded)
		st.Hint = "see why: stackpolicy explain " + u.Name + " " + v.findings[len(v.findings)-1].Invariant // gate sorts last
	case failed || st.LastStatus != 0 && !isBusy(u):
		st.set(UpButFailed)
		st.Hint = "see why: journalctl --user -u " + u.Name + " -n 50; then: systemctl --user restart " + u.Name
	default:
		st.set(IsUp)
	}
}

func (st *Status) set(o Outcome, problems ...string) {
	st.outcome, st.State, st.Problems = o, o.Name, append(st.Problems, problems...)
}

func countRunning(containers []facts.Container) (n int) {
	for _, c := range containers {
		if c.State == "running" && !c.Infra && !c.OneOff {
			n++
		}
	}
	return n
}

// isBusy reports whether an apply is at work, which has not ended yet.
func isBusy(u facts.Unit) bool { return u.Applied != nil && u.Applied.Busy }

// isOneShotsOnly reports whether every service is a one-shot: such a stack is up
// when all have ended well.
func isOneShotsOnly(u facts.Unit) bool {
	return len(u.Services) > 0 && !slices.ContainsFunc(u.Services, func(s facts.Service) bool { return !s.OneShot })
}

func (st *Status) describe(u facts.Unit) {
	if u.Loaded != nil {
		st.ActiveState, st.Result = u.Loaded.ActiveState, u.Loaded.Result
	}
	if a := u.Applied; a != nil {
		st.AppliedAt, st.LastStep, st.LastStatus, st.LastMessage = a.At, a.Step, a.Status, a.Message
	}
	for _, c := range u.Containers {
		if !c.Infra {
			st.Services = append(st.Services, ServiceStatus{
				Service: c.Service, Container: c.Name, State: c.State, Health: c.Health,
				ExitCode: c.ExitCode, Restarts: c.Restarts, StartedAt: c.StartedAt,
			})
		}
	}
	for _, s := range u.Services {
		if !slices.ContainsFunc(u.Containers, func(c facts.Container) bool { return c.Service == s.Name && !c.OneOff }) {
			st.Services = append(st.Services, ServiceStatus{Service: s.Name, State: "missing"})
		}
	}
}

func (st *Status) audited(decisions []finding.Finding) {
	for _, d := range decisions {
		if d.Subject == st.Unit && !d.IsAllowed() && !slices.Contains(asks(), d.Invariant) && !d.IsUnknown() {
			st.Audit = append(st.Audit, AuditedFinding{d.Invariant, string(d.Severity), d.Message})
		}
	}
}
