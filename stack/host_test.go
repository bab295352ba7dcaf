package stack

import (
	"testing"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

// A port that the project has is free for it, also while its container stops: a
// killed apply may have left it so.
func TestHasPort(t *testing.T) {
	port := compose.Port{Number: 8080, Protocol: "tcp"}
	for state, want := range map[string]bool{"running": true, "stopping": true, "paused": true, "exited": false, "created": false} {
		c := podman.Details{Container: podman.Container{State: state}, Ports: []podman.HostPort{{Number: 8080, Proto: "tcp"}}}
		for name, p := range map[string]*plan{
			"a service's": {services: []planned{{containers: []podman.Details{c}}}},
			"an orphan":   {orphans: []podman.Details{c}},
		} {
			if got := (host{plan: p}).has(port); got != want {
				t.Errorf("%s container is %s: %v, want %v", name, state, got, want)
			}
		}
	}
}
