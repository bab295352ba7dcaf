package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"stackpolicy/internal/lazyregexp"
)

// rehearseLimit bounds a rehearsal, and the search for what is refused. One run of
// podman-compose takes some 0.3 s.
const rehearseLimit = 20 * time.Second

// Refusal is an error: a provider cannot do what the compose files say.
type Refusal struct {
	Place string // services.NAME.KEY, services.NAME, or "" where it is not known
	Words string // the provider's last ones
}

func (r Refusal) Error() string { return strings.TrimPrefix(r.Place+": "+r.Words, ": ") }

func isRefusal(err error) bool { return errors.As(err, new(Refusal)) }

// Rehearse finds out whether a provider can bring a model up, and changes nothing:
// podman-compose does all that up does, with true(1) in the place of podman. Any
// other provider is asked for its `config`, which reads the files and no more.
// A [Refusal] is one of the first service that cannot be run. Other errors say that
// there was no answer. Within dir there is a file with the model meanwhile, for the
// account alone.
func (p Provider) Rehearse(ctx context.Context, version string, m Model, environ []string, dir string) error {
	limited, cancel := context.WithTimeoutCause(ctx, rehearseLimit, fmt.Errorf("no answer within %v", rehearseLimit))
	defer cancel()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	folder, err := os.MkdirTemp(dir, "rehearsal-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	r := rehearsal{p, version, folder, environ, m.Name}
	if _, err = r.play(limited, m); !isRefusal(err) {
		return err
	}
	if first := r.first(limited, m); first.Place != "" {
		return first
	}
	return err
}

// RehearseFiles is [Provider.Rehearse] with compose files as they are. A folder that
// a bind names and that does not exist is made.
func (p Provider) RehearseFiles(ctx context.Context, version, project string, files, environ []string) error {
	limited, cancel := context.WithTimeoutCause(ctx, rehearseLimit, fmt.Errorf("no answer within %v", rehearseLimit))
	defer cancel()
	return rehearsal{p, version, filepath.Dir(files[0]), environ, project}.run(limited, files...)
}

// CanRehearse reports whether the provider is a program that is known to change nothing when
// it rehearses. A program of the operator's own may do anything when it is asked for up,
// also where it ends by running podman-compose.
func (p Provider) CanRehearse() bool {
	switch name := filepath.Base(p.Argv[0]); len(p.Argv) {
	case 1:
		return name == "podman-compose" || name == "docker-compose"
	case 2:
		return (name == "podman" || name == "docker") && p.Argv[1] == "compose"
	}
	return false
}

type rehearsal struct {
	provider Provider
	version  string
	folder   string
	environ  []string
	project  string
}

func (r rehearsal) play(ctx context.Context, m Model) (map[string]any, error) {
	document, err := m.document()
	if err != nil {
		return nil, err
	}
	return document, r.write(ctx, document)
}

// write runs a document whose binds are all of /, as podman-compose makes a folder that
// does not exist.
func (r rehearsal) write(ctx context.Context, document map[string]any) error {
	services, _ := document["services"].(map[string]any)
	for name := range services {
		volumes, _ := serviceIn(document, name)["volumes"].([]any)
		for _, volume := range volumes {
			if v, ok := volume.(map[string]any); ok && v["type"] == "bind" {
				v["source"] = "/"
			}
		}
	}
	text, err := yaml.Marshal(document)
	if err != nil {
		return err
	}
	file := filepath.Join(r.folder, "compose.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	return r.run(ctx, file)
}

func (r rehearsal) run(ctx context.Context, files ...string) error {
	args := []string{"-p", r.project}
	for _, file := range files {
		args = append(args, "-f", file)
	}
	if strings.HasPrefix(r.version, podmanCompose) {
		args = append([]string{"--dry-run", "--podman-path", "true"}, append(args, "up", "-d", "--no-build")...)
	} else {
		args = append(args, "config")
	}
	said, err := r.provider.ask(ctx, r.folder, r.environ, args...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && errors.As(err, &exit):
		return Refusal{Words: plainly(said)}
	}
	return fmt.Errorf("%s: rehearsal of up: %w", r.provider, err)
}

// first finds the first service that is refused alone, and the key without which it is
// not. The zero Refusal means that none was found in time.
func (r rehearsal) first(ctx context.Context, m Model) (first Refusal) {
	names := slices.Sorted(maps.Keys(m.Services))
	for _, name := range names {
		others := slices.DeleteFunc(slices.Clone(names), func(other string) bool { return other == name })
		alone, err := r.play(ctx, Model{m.WithServicesDisabled(others...)})
		if errors.As(err, &first) {
			first.Place = "services." + name + r.key(ctx, alone, name)
			return first
		}
	}
	return first
}

func (r rehearsal) key(ctx context.Context, document map[string]any, name string) string {
	whole, networks := serviceIn(document, name), document["networks"]
	for _, key := range slices.Sorted(maps.Keys(whole)) {
		without := maps.Clone(whole)
		delete(without, key)
		document["services"], document["networks"] = map[string]any{name: without}, networks
		if key == "networks" { // which nothing uses then
			document["networks"] = nil
		}
		if r.write(ctx, document) == nil {
			return "." + key
		}
	}
	return ""
}

var exception = lazyregexp.New(`^[A-Za-z_.]*(?:Error|Exception): *(?:ERROR: *)?`)

// wrapped is what podman adds below the words of the program behind `podman compose`.
var wrapped = lazyregexp.New(`\n?Error: executing [^\n]*: exit status \d+$`)

// plainly is the last line of what a program said, without the name of a Python
// exception: what is above it is where in the program it happened.
func plainly(said []byte) string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(said), "\uFFFD"))
	text = strings.TrimSpace(wrapped.Get().ReplaceAllString(text, ""))
	last := text[strings.LastIndexByte(text, '\n')+1:]
	if words := exception.Get().ReplaceAllString(last, ""); words != "" {
		return words
	}
	return "it ended without a word"
}
