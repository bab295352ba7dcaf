package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"stackpolicy/applied"
	"stackpolicy/config"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

// keep saves what was verified, so that an apply that fails later can be undone,
// where the stack asks for that. Nothing is saved when the containers are not what
// the record says: the variables of a shell may be others than the unit's.
func (o *Operator) keep(ctx context.Context, s Stack, project *compose.Project) error {
	if s.OnFailure != config.Rollback {
		return applied.ForgetVerified(o.Env.StateHome, s.Name)
	}
	record, err := applied.Read(o.Env.StateHome, s.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || record.RolledBack != nil || record.Last.Status != 0:
		return nil
	case err != nil:
		return err
	}
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	v, err := verifiedNow(limited, o.projectPodman(s), s, project, record)
	if err != nil {
		return fmt.Errorf("what was verified could not be saved for a rollback: %w", err)
	}
	if v == nil {
		return nil
	}
	return applied.WriteVerified(o.Env.StateHome, *v)
}

// verifiedNow describes the containers as they are; nil when they are not what the
// record says.
func verifiedNow(ctx context.Context, pods projectPodman, s Stack, project *compose.Project, record applied.Record) (*applied.Verified, error) {
	_, definitions, err := resolve(ctx, s, project)
	if err != nil || !isRecorded(record, definitions) {
		return nil, err
	}
	v := &applied.Verified{Record: record, Inactive: project.Inactive, Images: []applied.Image{}, Volumes: []string{}}
	if v.Compose, err = fixed(project); err != nil || v.Compose == "" {
		return nil, err
	}
	containers, err := pods.details(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		definition, isActive := definitions[c.Labels[podman.LabelService]]
		if !isActive {
			continue
		}
		if c.Labels[applied.LabelDefinition] != definition {
			return nil, nil
		}
		if image := (applied.Image{Name: c.Image, ID: c.ImageID}); !slices.Contains(v.Images, image) {
			v.Images = append(v.Images, image)
		}
		for _, m := range c.Mounts {
			if m.IsAnonymous() {
				v.Volumes = append(v.Volumes, m.Name)
			}
		}
	}
	return v, nil
}

// isRecorded reports whether a record is of services with these definitions.
func isRecorded(record applied.Record, definitions map[string]string) bool {
	return len(record.Services) == len(definitions) && !slices.ContainsFunc(record.Services, func(s applied.Service) bool {
		return s.Definition == "" || s.Definition != definitions[s.Name]
	})
}

// fixed is a project as one compose file, with everything put in and without its
// one-shots: a migration of an older definition does not run on newer data. It is
// empty when there is no other service.
func fixed(project *compose.Project) (string, error) {
	model, err := project.Model()
	if err != nil {
		return "", err
	}
	oneShots := []string{}
	for _, s := range project.Services {
		if s.OneShot {
			oneShots = append(oneShots, s.Name)
		}
	}
	if len(oneShots) == len(project.Services) {
		return "", nil
	}
	text, err := model.Fixed(oneShots).Text()
	return string(text), err
}
