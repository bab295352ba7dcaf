package stack

import (
	"context"
	"slices"
)

// images fetches and builds what the services need, before anything is stopped.
func (t *transaction) images(ctx context.Context) error {
	here, err := t.podman.client.ImageIDs(ctx, imagesOf(t.project))
	if err != nil {
		return err
	}
	have := []string{}
	for _, s := range t.project.Services {
		switch {
		case slices.Contains(have, s.Image):
		case s.Build != nil:
			err = t.podman.command().Build(ctx, s.Image, *s.Build, t.project.Environ, t.said.line)
		case here[s.Image] == "" || s.Pull:
			err = t.podman.command().Pull(ctx, s.Image, t.podman.environ, t.said.line)
		}
		if err != nil {
			return err
		}
		have = append(have, s.Image)
	}
	return nil
}
