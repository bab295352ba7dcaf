package collect

import (
	"context"
	"slices"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/unitfile"
)

// servicesOf reads what the compose files of a stack declare now, for one that
// stackctl has no record of. Variables are those of the unit's own environment and
// of the files that the configuration names. Files that cannot be read declare
// nothing here: then the containers that are there are judged alone.
func (r *run) servicesOf(ctx context.Context, stack config.Stack, u *facts.Unit) error {
	pending := func(f facts.File) bool { return f.State == facts.StatePending }
	if slices.ContainsFunc(u.Files, pending) {
		return nil // the compose files are those of a generation to come as well
	}
	options := compose.Options{Project: stack.Project, Files: stack.Compose, Environ: r.environOf(u.Name)}
	for _, f := range stack.EnvFiles {
		options.EnvFiles = append(options.EnvFiles, f.Path)
	}
	project, err := compose.Load(ctx, options)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return nil
	}
	u.ServicesFrom = facts.ServicesFromFiles
	for _, s := range project.Services {
		u.Services = append(u.Services, facts.Service{
			Name: s.Name, Containers: s.Replicas, OneShot: s.OneShot, HealthCheck: s.HealthCheck,
		})
	}
	changed, err := r.changedSinceStart(ctx, project.Files, u)
	if changed {
		u.ServicesFrom = facts.ServicesFromChangedFiles
	}
	return err
}

// environOf is what the unit's commands find in their environment of all that
// compose files usually ask for. The audit's own environment is another one.
func (r *run) environOf(unit string) []string {
	environ := []string{"HOME=" + r.env.Home, "USER=" + r.env.Name, "XDG_RUNTIME_DIR=" + r.env.RuntimeDir}
	if s := r.loaded[unit].Service; s != nil {
		environ = append(environ, s.Environment...)
	}
	return environ
}

// changedSinceStart reports whether a file may have been changed, or its link moved,
// after the unit became active: what it declares may not be applied yet.
func (r *run) changedSinceStart(ctx context.Context, files []string, u *facts.Unit) (bool, error) {
	if u.Loaded == nil || u.Loaded.ActiveSince == nil {
		return true, nil
	}
	for _, path := range files {
		f, err := unitfile.Stat(ctx, path, r.store())
		if err != nil {
			return false, err
		}
		if f.Changed.IsZero() || f.Changed.After(*u.Loaded.ActiveSince) {
			return true, nil
		}
	}
	return false, nil
}
