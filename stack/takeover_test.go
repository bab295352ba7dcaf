package stack

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"stackpolicy/internal/engine"
	"stackpolicy/internal/podman"
)

// A takeover that was killed left its stand-in: the next one takes that.
func TestTakeoverGoesOnWhereAnotherWasKilled(t *testing.T) {
	for _, left := range []bool{false, true} {
		t.Run(fmt.Sprintf("stand-in left %v", left), func(t *testing.T) {
			w := newWorld(t)
			w.write("podman", "#!/bin/sh\necho \"$1\" >>\"$(dirname \"$0\")/did\"\n", 0o755)
			p := w.resolved()
			foreign := podman.Details{
				Container: podman.Container{ID: idOf(0), Name: "web_app_1", Labels: map[string]string{podman.LabelService: "app"}},
				Mounts:    []podman.Mount{{Type: "volume", Name: volume, Target: "/data"}},
			}
			there := []podman.Details{foreign}
			if left {
				there = append(there, podman.Details{Container: podman.Container{
					ID: idOf(1), Name: idOf(0)[:12] + "_web_app_1", Labels: engine.OwnLabels("web", "app", 1),
				}})
			}
			p.services = []planned{{Service: p.project.Services[0], containers: there}}
			if err := (takeover{w.projectPodman(w.stack), p}).run(t.Context()); err != nil {
				t.Fatal(err)
			}
			did, err := os.ReadFile(w.path("did"))
			if err != nil {
				t.Fatal(err)
			}
			want := "stop create rm pod"
			if left {
				want = "stop rm pod"
			}
			if got := strings.Join(strings.Fields(string(did)), " "); got != want {
				t.Errorf("podman did %q, want %q", got, want)
			}
		})
	}
}
