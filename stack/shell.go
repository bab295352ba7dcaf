package stack

import (
	"context"
	"slices"
	"strings"

	"stackpolicy/applied"
	"stackpolicy/internal/podman"
)

// otherVariables refuses an apply by hand that would replace containers because
// variables of the shell differ from those of the unit: the files are what the unit
// applied, and so are the containers, and yet they should be others. The unit's next
// start would replace them again.
func (t *transaction) otherVariables(ctx context.Context) *Problem {
	if t.records.invocation != "" {
		return nil
	}
	last := currency{stack: t.stack, project: t.project, stateHome: t.records.env.StateHome}
	record := last.record()
	replaced := t.plan.names(func(s planned) bool { return s.differsFrom(record) })
	if record.Invocation == "" || len(replaced) == 0 {
		return nil
	}
	if asApplied, err := last.isAsApplied(ctx, record); err != nil || !asApplied {
		return nil
	}
	p := blocked("apply it as the unit does: systemctl --user restart "+t.stack.Unit+"; or set the variables in one of env_files",
		"variables of this shell differ from those of %s, and because of them it would replace: %s", t.stack.Unit, strings.Join(replaced, ", "))
	return &p
}

// differsFrom reports whether the service should be another than the record says,
// which its containers are of.
func (p planned) differsFrom(record applied.Record) bool {
	i := slices.IndexFunc(record.Services, func(s applied.Service) bool { return s.Name == p.Name })
	return i >= 0 && record.Services[i].Definition != p.definition && slices.ContainsFunc(p.containers, func(c podman.Details) bool {
		return c.Labels[applied.LabelDefinition] == record.Services[i].Definition
	})
}
