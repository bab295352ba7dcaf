package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"stackpolicy/config"
	"stackpolicy/internal/compose"
)

// account is who has to be able to read a stack's files.
type account struct {
	uid  int
	name string
}

// configured returns the problems of the files that the configuration names.
func (a account) configured(s Stack) (problems []Problem) {
	for _, f := range s.EnvFiles {
		problems = a.check(problems, BadEnv, "env file", f)
	}
	for _, f := range s.Secrets {
		problems = a.check(problems, BadSecret, "secret", f.AsSecret())
	}
	return problems
}

// composed returns the problems of the files that the compose files name.
func (a account) composed(project *compose.Project, s Stack) (problems []Problem) {
	for _, f := range project.EnvFiles {
		what := fmt.Sprintf("env file of service %s", f.Service)
		if _, err := os.Stat(f.Path); errors.Is(err, fs.ErrNotExist) && !f.Required {
			continue
		}
		problems = a.check(problems, BadEnv, what, config.File{Path: f.Path})
	}
	for _, f := range project.Secrets {
		if !isConfigured(s.Secrets, f.Path) {
			problems = a.check(problems, BadSecret, "file of secret or config "+f.Name, config.File{Path: f.Path})
		}
	}
	return problems
}

func isConfigured(files []config.File, path string) bool {
	for _, f := range files {
		if f.Path == path {
			return true
		}
	}
	return false
}

func (a account) check(problems []Problem, outcome Outcome, what string, f config.File) []Problem {
	if err := f.Check(a.uid, a.name); err != nil {
		return append(problems, Problem{
			Outcome: outcome, Message: fmt.Sprintf("%s %s %s", what, f.Path, err), Hint: hintFor(err, f),
		})
	}
	return problems
}

func hintFor(err error, f config.File) string {
	if errors.Is(err, config.ErrTooOpen) {
		return fmt.Sprintf("chmod %04o %s", f.Mode, f.Path)
	}
	return "put the file in order and apply again"
}
