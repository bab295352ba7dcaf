package collect

import (
	"stackpolicy/facts"
	"stackpolicy/internal/podman"
)

// maxSettings is how many ports, and how many mounts, of a container are kept. A range of
// ports can be 65,000, and an image may declare any number of volumes.
const maxSettings = 200

func containerSettings(s podman.Settings) *facts.Settings {
	out := &facts.Settings{
		ImageDigest: s.ImageDigest, NetworkMode: s.NetworkMode, Networks: orEmpty(s.Networks), Ports: []facts.Port{},
		Mounts: []facts.Mount{}, Privileged: s.Privileged, User: s.User, Capabilities: orEmpty(s.Capabilities),
	}
	for _, p := range s.Ports[:min(len(s.Ports), maxSettings)] {
		out.Ports = append(out.Ports, facts.Port(p))
	}
	for _, m := range s.Mounts[:min(len(s.Mounts), maxSettings)] {
		out.Mounts = append(out.Mounts, facts.Mount(m))
	}
	out.LeftOut = len(s.Ports) - len(out.Ports) + len(s.Mounts) - len(out.Mounts)
	return out
}
