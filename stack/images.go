package stack

import (
	"context"
	"fmt"
	"slices"
)

// images fetches and builds what the services need, before anything is stopped. It
// returns the names of what it fetched or built.
func (t *transaction) images(ctx context.Context) (done []string, err error) {
	here, err := t.podman.client.ImageIDs(ctx, imagesOf(t.project))
	if err != nil {
		return nil, err
	}
	have := []string{}
	for _, s := range t.project.Services {
		if slices.Contains(have, s.Image) {
			continue
		}
		switch have = append(have, s.Image); {
		case s.Build != nil:
			err = t.podman.command().Build(ctx, s.Image, *s.Build, t.project.Environ, t.said.line)
		case here[s.Image] == "" || s.Pull:
			err = t.podman.command().Pull(ctx, s.Image, t.podman.environ, t.said.line)
		default:
			continue
		}
		if err != nil {
			return done, fmt.Errorf("image %s: %w", s.Image, err)
		}
		done = append(done, s.Image)
	}
	return done, nil
}
