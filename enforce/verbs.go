package enforce

import (
	"context"
	"fmt"
	"time"

	"stackpolicy/finding"
)

// A verb is one kind of action. The table is closed: rules can ask for nothing
// else.
type verb struct {
	name  finding.Action
	wide  bool          // acts on the manager as a whole, so once for all findings
	limit time.Duration // for the fresh look, the guards and the call together
	guard guard
	do    func(context.Context, Manager, string) error
}

// verbs in the order they run: what is loaded first, then what state it is in.
var verbs = []verb{
	{finding.DaemonReload, true, 90 * time.Second, guardReload, reload},
	{finding.ResetFailed, false, 30 * time.Second, guardResetFailed, resetFailed},
	{finding.Restart, false, 10 * time.Minute, guardRestart, restart},
}

// Verbs lists the names of the actions that exist.
func Verbs() []finding.Action {
	var names []finding.Action
	for _, v := range verbs {
		names = append(names, v.name)
	}
	return names
}

func verbNamed(name finding.Action) (verb, error) {
	for _, v := range verbs {
		if v.name == name {
			return v, nil
		}
	}
	return verb{}, fmt.Errorf("no action %q exists; there are %v", name, Verbs())
}

func (v verb) subject(d finding.Finding) string {
	if v.wide {
		return finding.Host
	}
	return d.Subject
}

func reload(ctx context.Context, m Manager, _ string) error { return m.Reload(ctx) }

func resetFailed(ctx context.Context, m Manager, unit string) error { return m.ResetFailed(ctx, unit) }

func restart(ctx context.Context, m Manager, unit string) error { return m.Restart(ctx, unit) }
