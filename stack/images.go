package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
)

// images fetches and builds what the services need, before anything is stopped. It
// returns the names of what it fetched or built.
//
// Whether there is room for it shows only here, where a full disk stops nothing: podman
// does not tell how large an image of a registry is. For an image of one platform `podman
// manifest inspect` fails with 4.3 (OCI), and shows no layers with 5.4. To ask the registry
// itself takes its credentials and mirrors, and counts as a pull at Docker Hub.
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

// makeRoom is the hint where a disk is full.
const makeRoom = "make room: podman system df; podman image prune"

// roomHint is the hint of an image that cannot be had: makeRoom if the disk is full.
func roomHint(err error, otherwise string) string {
	if strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		return makeRoom
	}
	return otherwise
}
