package stack

import (
	"fmt"
	"path/filepath"

	"stackpolicy/applied"
	"stackpolicy/config"
)

// FindRemoved finds a stack by its name, also one that the configuration no longer has: then
// it is what the record of its last apply says. An activation of Home Manager stops the
// unit of a removed stack when the configuration without the stack is already in place.
func FindRemoved(c config.Config, stateHome, name string) (Stack, error) {
	s, unknown := Find(c, name)
	if unknown == nil || !filepath.IsLocal(name) || filepath.Base(name) != name {
		return s, unknown
	}
	record, err := applied.Read(stateHome, name)
	if err != nil || record.Project == "" {
		return Stack{}, unknown
	}
	for other, now := range c.Stacks {
		if now.Project == record.Project || now.Unit == record.Unit {
			return Stack{}, fmt.Errorf("%w; what it was is stack %q now", unknown, other)
		}
	}
	s = Stack{Name: name, Stack: config.Stack{Unit: record.Unit, Project: record.Project}}
	for _, f := range record.Files {
		switch f.Role {
		case applied.RoleCompose:
			s.Compose = append(s.Compose, f.Path)
		case applied.RoleEnv:
			s.EnvFiles = append(s.EnvFiles, config.File{Path: f.Path})
		}
	}
	return s, nil
}
