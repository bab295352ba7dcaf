package engine

import (
	"testing"

	"github.com/docker/compose/v5/pkg/api"

	"stackpolicy/internal/podman"
)

// A label by which a container is taken for one that the library made is never left out of
// what is read of a container, however many others its image brings.
func TestLabelsAreRead(t *testing.T) {
	for _, label := range []string{api.OneoffLabel, api.ConfigHashLabel, api.VersionLabel, api.ProjectLabel, api.ServiceLabel} {
		if !podman.IsRead(label) {
			t.Errorf("%s may be left out", label)
		}
	}
}
