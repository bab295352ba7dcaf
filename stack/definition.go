package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"stackpolicy/applied"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/engine"
	"stackpolicy/internal/podman"
)

// resolve returns the project with everything put in and labelled, and each
// service's definition: a digest over all that decides what its containers are,
// but for their image.
func resolve(ctx context.Context, s Stack, project *compose.Project) (model compose.Model, definitions map[string]string, err error) {
	if model, err = project.Model(); err != nil {
		return model, nil, err
	}
	definitions = map[string]string{}
	for name, paths := range secretsOf(model, s) {
		model.Label(name, podman.LabelUnit, s.Unit)
		hash, err := engine.Hash(model.Services[name])
		if err != nil {
			return model, nil, err
		}
		if definitions[name], err = digestWith(ctx, hash+model.Inline(name), paths); err != nil {
			return model, nil, err
		}
		model.Label(name, applied.LabelDefinition, definitions[name])
	}
	return model, definitions, nil
}

// secretsOf returns the files of secrets by service: those that the compose
// files give it, and those of the configuration that it mounts. One that no
// service mounts may be used by any.
func secretsOf(model compose.Model, s Stack) map[string][]string {
	of, used := map[string][]string{}, map[string]bool{}
	for name := range model.Services {
		of[name] = mounted(model, s, name)
		for _, path := range of[name] {
			used[path] = true
		}
	}
	for name := range of {
		for _, f := range s.Secrets {
			if !used[f.Path] {
				of[name] = append(of[name], f.Path)
			}
		}
		slices.Sort(of[name])
		of[name] = slices.Compact(of[name])
	}
	return of
}

// mounted returns the files of secrets that a service is given or mounts.
func mounted(model compose.Model, s Stack, name string) []string {
	service, paths := model.Services[name], []string{}
	for _, x := range service.Secrets {
		paths = append(paths, model.Secrets[x.Source].File)
	}
	for _, x := range service.Configs {
		paths = append(paths, model.Configs[x.Source].File)
	}
	for _, v := range service.Volumes {
		if slices.ContainsFunc(s.Secrets, func(f config.File) bool { return f.Path == v.Source }) {
			paths = append(paths, v.Source)
		}
	}
	return slices.DeleteFunc(paths, func(path string) bool { return path == "" })
}

// projectDefinition is a digest over all that decides what the containers are:
// also the secrets' content, as a container keeps the file that it was started
// with when another one takes its place.
func projectDefinition(ctx context.Context, s Stack, project *compose.Project) (string, error) {
	sum, err := digestWith(ctx, project.Digest, allSecrets(s, project))
	return "sha256:" + sum, err
}

// secretsDigest is a digest over the contents of all secrets.
func secretsDigest(ctx context.Context, s Stack, project *compose.Project) (string, error) {
	sum, err := digestWith(ctx, "secrets", allSecrets(s, project))
	return "sha256:" + sum, err
}

// allSecrets are the files of secrets, those that the configuration names and
// those that the compose files name.
func allSecrets(s Stack, project *compose.Project) []string {
	paths := []string{}
	for _, f := range s.Secrets {
		paths = append(paths, f.Path)
	}
	for _, f := range project.Secrets {
		paths = append(paths, f.Path)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// digestWith is a digest over a digest and the contents of files of secrets.
func digestWith(ctx context.Context, digest string, secrets []string) (string, error) {
	files, err := collect.Digests(ctx, "secret", secrets)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, digest)
	for _, f := range files {
		fmt.Fprintln(sum, f.Path, f.Digest)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
