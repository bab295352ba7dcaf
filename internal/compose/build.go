package compose

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

// Build is how the image of a service is built here.
type Build struct {
	Context    string   // a folder, absolute
	Dockerfile string   // a file, absolute; "" where its text is in the compose file
	Inline     string   // text of the Dockerfile
	Arguments  []string // K=V, or K for the value of the environment, by name
	Labels     []string // K=V, by name
	Target     string
	Network    string
	SSH        []string // ID or ID=PATH, sorted
	Unknown    []string // keys that `podman build` is not given
}

func builtName(project, service string) string { return "localhost/" + project + "_" + service }

func buildOf(b *types.BuildConfig) *Build {
	if b == nil {
		return nil
	}
	built := &Build{Context: b.Context, Inline: b.DockerfileInline, Target: b.Target, Network: b.Network}
	if b.DockerfileInline == "" {
		built.Dockerfile = b.Dockerfile
		if !filepath.IsAbs(built.Dockerfile) {
			built.Dockerfile = filepath.Join(b.Context, b.Dockerfile)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Args)) {
		argument := name
		if value := b.Args[name]; value != nil {
			argument += "=" + *value
		}
		built.Arguments = append(built.Arguments, argument)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Labels)) {
		built.Labels = append(built.Labels, name+"="+b.Labels[name])
	}
	for _, key := range b.SSH {
		built.SSH = append(built.SSH, key.ID)
	}
	built.Unknown = unknown(b)
	return built
}

// inOnePart writes keys for SSH as compose files do, ID=PATH: compose-go cannot encode those
// that it has read in two parts, and returns them in any order.
func inOnePart(p *types.Project) {
	for _, s := range p.Services {
		if s.Build == nil {
			continue
		}
		for i, key := range s.Build.SSH {
			if key.Path != "" {
				s.Build.SSH[i] = types.SSHKey{ID: key.ID + "=" + key.Path}
			}
		}
		slices.SortFunc(s.Build.SSH, func(a, b types.SSHKey) int { return cmp.Compare(a.ID, b.ID) })
	}
}

// unknown names the keys that change what is built and that are not passed on.
func unknown(b *types.BuildConfig) (keys []string) {
	for key, set := range map[string]bool{
		"additional_contexts": len(b.AdditionalContexts) > 0, "entitlements": len(b.Entitlements) > 0,
		"extra_hosts": len(b.ExtraHosts) > 0, "platforms": len(b.Platforms) > 0, "secrets": len(b.Secrets) > 0,
		"tags": len(b.Tags) > 0,
	} {
		if set {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Build builds an image and gives it a name, as podman build does. Layers that
// did not change are taken from podman's store, so a build of the same files
// ends within a second and is the same image.
func (p Podman) Build(ctx context.Context, name string, b Build, environ []string, output func(line string)) error {
	args := []string{"build", "--tag", name}
	if b.Inline != "" {
		file, err := os.CreateTemp("", "stackctl-dockerfile-")
		if err != nil {
			return fmt.Errorf("write the Dockerfile of %s: %w", name, err)
		}
		defer os.Remove(file.Name())
		_, err = file.WriteString(b.Inline)
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("write the Dockerfile of %s: %w", name, err)
		}
		b.Dockerfile = file.Name()
	}
	args = append(args, "--file", b.Dockerfile)
	for _, argument := range b.Arguments {
		args = append(args, "--build-arg", argument)
	}
	for _, label := range b.Labels {
		args = append(args, "--label", label)
	}
	if b.Target != "" {
		args = append(args, "--target", b.Target)
	}
	if b.Network != "" {
		args = append(args, "--network", b.Network)
	}
	for _, key := range b.SSH {
		args = append(args, "--ssh", key)
	}
	return p.do(ctx, environ, output, append(args, "--", b.Context)...)
}
