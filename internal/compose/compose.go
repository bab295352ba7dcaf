// Package compose reads compose files and runs the compose provider
// (podman-compose, or what `podman compose` finds) on them.
//
// Start at [Load], which says what a project consists of and touches nothing
// but its files, and at [Find], whose [Provider.Up] brings a project up. Compose
// files are the user's, and still may be wrong in any way: files, waits and
// outputs are bounded, nothing is fetched, and reading executes nothing.
package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
)

const loadLimit = 10 * time.Second

// Options say what to load.
type Options struct {
	Project  string   // the project's name: a-z, 0-9, - and _, beginning with a letter or a digit
	Files    []string // compose files, absolute, in order; the first one's folder is the project's
	EnvFiles []string // files of variables, absolute; a later one wins
	Environ  []string // the process environment, K=V; it wins over EnvFiles
}

// Load reads a project as compose does: files merged in order, includes and
// extends followed, variables put in, profiles chosen by COMPOSE_PROFILES. What
// the compose schema does not know is an error that names the file and the key.
//
// A variable's value comes from Environ, then from EnvFiles, then from the file
// .env in the project's folder, which every provider reads.
//
// It takes 10 seconds at most. Only local, regular files are read, of 1 MiB at
// most, and 100 compose files in all.
func Load(ctx context.Context, o Options) (*Project, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, o.name(context.Cause(ctx))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, loadLimit, fmt.Errorf("not read within %v", loadLimit))
	defer cancel()
	type result struct {
		project *Project
		err     error
	}
	// The loader cannot be interrupted, and a file may be on a file system that
	// hangs: then the load is left behind, which holds no more than its files.
	done := make(chan result, 1)
	go func() {
		project, err := o.load(ctx)
		done <- result{project, err}
	}()
	select {
	case r := <-done:
		return r.project, o.name(r.err)
	case <-ctx.Done():
		return nil, o.name(context.Cause(ctx))
	}
}

// name makes an error say which files it is about, unless it does.
func (o Options) name(err error) error {
	if err == nil {
		return nil
	}
	for _, file := range o.Files {
		if strings.Contains(err.Error(), file) {
			return fmt.Errorf("compose project %s: %w", o.Project, err)
		}
	}
	return fmt.Errorf("compose project %s (%s): %w", o.Project, strings.Join(o.Files, ", "), err)
}

func (o Options) check() error {
	var errs []error
	if o.Project == "" || loader.NormalizeProjectName(o.Project) != o.Project {
		errs = append(errs, fmt.Errorf("%q is no compose project; use a-z, 0-9, - and _, and begin with a letter or a digit", o.Project))
	}
	if len(o.Files) == 0 {
		errs = append(errs, fmt.Errorf("compose project %q has no compose file", o.Project))
	}
	for _, file := range append(o.Files[:len(o.Files):len(o.Files)], o.EnvFiles...) {
		if !filepath.IsAbs(file) {
			errs = append(errs, fmt.Errorf("%q is not an absolute path", file))
		}
	}
	return errors.Join(errs...)
}

func (o Options) load(ctx context.Context) (*Project, error) {
	env, err := o.environment()
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(o.Files[0])
	sources := sources{}
	for _, file := range o.Files {
		if err := sources.add(file, dir, env); err != nil {
			return nil, err
		}
	}
	variables := &putting{budget{maxPutIn}, map[string]bool{}}
	read, err := o.parse(ctx, dir, sources, env, variables)
	if err != nil {
		return nil, sources.explain(err, variables.unset)
	}
	return o.project(read, sources, env, variables.unset)
}

// parse hands the files over to compose-go. Neither env_file nor label_file is
// read there: who reads them here bounds them.
func (o Options) parse(ctx context.Context, dir string, from sources, env map[string]string, variables *putting) (*types.Project, error) {
	// It warns through a global logger, onto stderr in a form of its own. What
	// matters of it, variables that nobody sets, is in Project.Unset.
	logrus.SetOutput(io.Discard)
	details := types.ConfigDetails{WorkingDir: dir, Environment: maps.Clone(env)} // it adds to it
	for _, file := range o.Files {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: file, Content: from.content(file)})
	}
	return loader.LoadWithContext(ctx, details, func(l *loader.Options) {
		l.SetProjectName(o.Project, true)
		l.Profiles = profiles(env)
		l.SkipResolveEnvironment = true
		l.SkipResolveLabels = true
		l.Interpolate.Substitute = variables.substitute
	})
}
