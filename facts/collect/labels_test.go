package collect

import (
	"fmt"
	"strings"
	"testing"

	"stackpolicy/internal/podman"
)

// The labels of all containers together are bounded; one that something reads is always
// there.
func TestLabelsOfAllContainers(t *testing.T) {
	room, size, left := maxLabels, 0, 0
	for i := range 1000 {
		c := podman.Container{Labels: map[string]string{podman.LabelUnit: "web.service", "api-token": "hunter2"}}
		for k := range 10 {
			c.Labels[fmt.Sprintf("k%d-%d", i, k)] = strings.Repeat("x", 1000)
		}
		kept, missing := labels(c, &room)
		if kept[podman.LabelUnit] != "web.service" {
			t.Fatalf("container %d has lost its unit", i)
		}
		if v := kept["api-token"]; v != "(masked)" && v != "" {
			t.Fatalf("a secret is kept: %q", v)
		}
		if missing != len(c.Labels)-len(kept) {
			t.Fatalf("container %d: %d labels of %d, and %d left out", i, len(kept), len(c.Labels), missing)
		}
		left += missing
		for k, v := range kept {
			size += len(k) + len(v)
		}
	}
	if size > maxLabels+1000*64 || left == 0 {
		t.Errorf("%d bytes of labels, %d left out", size, left)
	}
}

// TestContainerSettings: of many ports and mounts the first are kept, and the others are
// counted.
func TestContainerSettings(t *testing.T) {
	few := containerSettings(podman.Settings{Ports: make([]podman.Port, 200), Mounts: make([]podman.Mount, 1)})
	if len(few.Ports) != 200 || len(few.Mounts) != 1 || few.LeftOut != 0 || few.Networks == nil || few.Capabilities == nil {
		t.Errorf("of a few: %+v", few)
	}
	many := containerSettings(podman.Settings{Ports: make([]podman.Port, 201), Mounts: make([]podman.Mount, 1000)})
	if len(many.Ports) != 200 || len(many.Mounts) != 200 || many.LeftOut != 801 {
		t.Errorf("of many: %d ports, %d mounts, %d left out", len(many.Ports), len(many.Mounts), many.LeftOut)
	}
}
