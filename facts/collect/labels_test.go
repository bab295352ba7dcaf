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
