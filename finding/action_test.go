package finding_test

import (
	"slices"
	"testing"

	. "stackpolicy/finding"
)

// A reload comes first: it can change the states that the other actions depend on.
func TestActionsInTheOrderTheyRun(t *testing.T) {
	want := []string{"daemon-reload", "reset-failed", "restart"}
	if got := texts(Actions()); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTarget(t *testing.T) {
	cases := map[string]struct {
		action Action
		want   string
	}{
		"of the manager":    {DaemonReload, Host},
		"of a unit":         {Restart, "db.service"},
		"of a failed unit":  {ResetFailed, "db.service"},
		"an unknown action": {"rebuild", "db.service"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.action.Target("db.service"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
