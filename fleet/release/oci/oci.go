// Package oci keeps the public files of releases in an OCI registry, such as the one that an
// organisation has for its images. All files are blobs of one artifact, so a new release comes
// with one change of its tag. The registry is not trusted: TUF's metadata is among the files.
//
// Start at [Open].
package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/retry"

	"stackpolicy/fleet/release"
)

const (
	artifactType = "application/vnd.stackpolicy.releases.v1"
	fileType     = "application/vnd.stackpolicy.release.file"
	defaultTag   = "releases"
	maxManifest  = 1 << 20
	maxFiles     = 2000
)

// Registry is where releases are in a registry.
type Registry struct {
	repository *remote.Repository
	tag        string
	files      map[string]ocispec.Descriptor // nil: the manifest was not read yet
}

// Open returns the place of a reference, such as registry.example.org/rules/home or
// registry.example.org/rules/home:releases. It asks nothing yet. A registry on this machine may
// speak HTTP. If authFiles is given, the first of them that exists has the credentials, as podman
// login writes it; programs that it names are not run.
func Open(reference string, authFiles ...string) (*Registry, error) {
	ref, err := registry.ParseReference(reference)
	if err != nil {
		return nil, fmt.Errorf("registry: %w; want for example registry.example.org/rules/home", err)
	}
	tag := ref.Reference
	if tag == "" {
		tag = defaultTag
	}
	if ref.ValidateReferenceAsDigest() == nil {
		return nil, fmt.Errorf("registry: %q has a digest, so nothing newer would ever come; leave it out", reference)
	}
	repository, err := remote.NewRepository(ref.Registry + "/" + ref.Repository)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	repository.PlainHTTP = isLoopback(ref.Registry)
	repository.MaxMetadataBytes = maxManifest
	client := &auth.Client{Client: retry.DefaultClient, Cache: auth.NewCache()}
	if client.Credential, err = credentialsOf(authFiles); err != nil {
		return nil, err
	}
	repository.Client = client
	return &Registry{repository: repository, tag: tag}, nil
}

// AuthFiles returns where podman and docker keep the credentials of this account; nothing
// without a home.
func AuthFiles() []string {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	return []string{filepath.Join(home, ".config", "containers", "auth.json"), filepath.Join(home, ".docker", "config.json")}
}

func credentialsOf(files []string) (auth.CredentialFunc, error) {
	for _, file := range files {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		store, err := credentials.NewFileStore(file)
		if err != nil {
			return nil, fmt.Errorf("the credentials %s: %w", file, err)
		}
		return credentials.Credential(store), nil
	}
	return nil, nil
}

func isLoopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return name == "localhost" || net.ParseIP(name).IsLoopback()
}

// File reads a file, for [release.Fetch]. All files are of the artifact that the tag named when
// the first was read.
func (r *Registry) File(ctx context.Context, name string, limit int64) ([]byte, error) {
	if r.files == nil {
		if err := r.readManifest(ctx); err != nil {
			return nil, err
		}
	}
	file, has := r.files[name]
	if !has {
		return nil, fmt.Errorf("%s: the registry does not have it: %w", name, fs.ErrNotExist)
	}
	if file.Size > limit {
		return nil, fmt.Errorf("%s: %w: it has %d bytes; want at most %d", name, release.ErrTooLarge, file.Size, limit)
	}
	text, err := content.FetchAll(ctx, r.repository.Blobs(), file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

func (r *Registry) readManifest(ctx context.Context) error {
	at, err := r.repository.Manifests().Resolve(ctx, r.tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return fmt.Errorf("%s has no tag %s: %w", r.repository.Reference, r.tag, fs.ErrNotExist)
	}
	if err != nil {
		return fmt.Errorf("ask the registry: %w", err)
	}
	if at.Size > maxManifest {
		return fmt.Errorf("the artifact %s: %w: %d bytes", r.tag, release.ErrTooLarge, at.Size)
	}
	text, err := content.FetchAll(ctx, r.repository.Manifests(), at)
	if err != nil {
		return fmt.Errorf("ask the registry: %w", err)
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		return fmt.Errorf("the artifact %s: %w", r.tag, err)
	}
	if manifest.ArtifactType != artifactType || len(manifest.Layers) > maxFiles {
		return fmt.Errorf("%s:%s has no releases of stackpolicy (%.100q, %d files)", r.repository.Reference, r.tag, manifest.ArtifactType, len(manifest.Layers))
	}
	r.files = map[string]ocispec.Descriptor{}
	for _, layer := range manifest.Layers {
		r.files[layer.Annotations[ocispec.AnnotationTitle]] = layer
	}
	return nil
}

// Push puts all public files of a repository into the registry. Files that it has already are
// not sent again.
func (r *Registry) Push(ctx context.Context, from release.Repository) error {
	r.files = nil
	var layers []ocispec.Descriptor
	err := from.Files(func(name string, text []byte) error {
		d := content.NewDescriptorFromBytes(fileType, text)
		d.Annotations = map[string]string{ocispec.AnnotationTitle: name}
		layers = append(layers, d)
		return r.pushBlob(ctx, d, text)
	})
	if err != nil {
		return err
	}
	if len(layers) == 0 || len(layers) > maxFiles {
		return fmt.Errorf("there are %d public files; want 1 to %d", len(layers), maxFiles)
	}
	manifest, err := oras.PackManifest(ctx, r.repository, oras.PackManifestVersion1_1, artifactType, oras.PackManifestOptions{
		Layers:              layers,
		ManifestAnnotations: map[string]string{ocispec.AnnotationCreated: time.Unix(0, 0).UTC().Format(time.RFC3339)},
	})
	if err != nil {
		return fmt.Errorf("push the releases: %w", err)
	}
	if err := r.repository.Tag(ctx, manifest, r.tag); err != nil {
		return fmt.Errorf("tag the releases: %w", err)
	}
	return nil
}

func (r *Registry) pushBlob(ctx context.Context, d ocispec.Descriptor, text []byte) error {
	has, err := r.repository.Blobs().Exists(ctx, d)
	if err != nil || has {
		return err
	}
	_, err = oras.PushBytes(ctx, r.repository, d.MediaType, text)
	return err
}
