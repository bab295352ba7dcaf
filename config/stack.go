package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stackpolicy/internal/lazyregexp"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/unitfile"
)

// The default times of apply and verify.
const (
	defaultApply   = 5 * time.Minute
	defaultTimeout = 60 * time.Second
	defaultSettle  = 5 * time.Second
)

// Stack describes one stack. An audit reads Unit, Project, Compose, EnvFiles
// and Probes.
type Stack struct {
	Unit       string   `yaml:"unit"`       // default NAME.service
	Project    string   `yaml:"project"`    // compose project; default NAME
	Compose    []string `yaml:"compose"`    // compose files, in order
	EnvFiles   []File   `yaml:"env_files"`  // variables for the compose files, in order: a later file wins
	Secrets    []File   `yaml:"secrets"`    // must exist, and only their owner may read them
	Registries bool     `yaml:"registries"` // preflight checks that the images' registries answer
	Apply      Apply    `yaml:"apply"`
	Verify     Verify   `yaml:"verify"`
	Probes     []Probe  `yaml:"probes"`   // must answer while the stack runs
	Provider   []string `yaml:"provider"` // compose command; default: stackctl's own engine
	// Discard names services whose anonymous volumes an apply may leave behind.
	Discard []string `yaml:"discard_volumes"`
	// OnFailure is what becomes of the containers of an apply that failed, or that
	// verify refused: [Keep] (default) or [Rollback].
	OnFailure string `yaml:"on_failure"`
}

// What becomes of containers that are not up after an apply.
const (
	Keep     = "keep"     // they stay as they are
	Rollback = "rollback" // those that were verified last come back
)

// Apply says how long the compose provider may take, pulls of images included.
type Apply struct {
	Timeout time.Duration `yaml:"timeout"` // default 5m
}

// Verify says when a stack counts as up.
type Verify struct {
	Timeout time.Duration `yaml:"timeout"` // for all services to be up; default 60s
	Settle  time.Duration `yaml:"settle"`  // how long they must stay up without a restart; default 5s
	Healthy *bool         `yaml:"healthy"` // those with a health check must be healthy; default true
}

// NeedsHealth says whether services with a health check must be healthy.
func (v Verify) NeedsHealth() bool { return v.Healthy == nil || *v.Healthy }

func (s Stack) withDefaults(name string) Stack {
	if s.Unit == "" {
		s.Unit = name + ".service"
	}
	if s.Project == "" {
		s.Project = name
	}
	for i, path := range s.Compose {
		s.Compose[i] = regularfile.InHome(path)
	}
	if len(s.Provider) > 0 {
		s.Provider[0] = regularfile.InHome(s.Provider[0])
	}
	if s.Apply.Timeout == 0 {
		s.Apply.Timeout = defaultApply
	}
	if s.Verify.Timeout == 0 {
		s.Verify.Timeout = defaultTimeout
	}
	if s.Verify.Settle == 0 {
		s.Verify.Settle = min(defaultSettle, s.Verify.Timeout/2)
	}
	if s.OnFailure == "" {
		s.OnFailure = Keep
	}
	for i, p := range s.Probes {
		s.Probes[i] = p.withDefaults()
	}
	return s
}

var (
	stackName   = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9_.@-]*$`)
	projectName = lazyregexp.New(`^[a-z0-9][a-z0-9_-]*$`) // the Compose Specification, "name"
)

func checkStacks(stacks map[string]Stack) (errs []error) {
	units, projects := map[string]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(stacks)) {
		s := stacks[name]
		for _, err := range append(s.check(name), s.unshared(name, units, projects)...) {
			errs = append(errs, fmt.Errorf("stacks.%s%w", name, err))
		}
	}
	return append(errs, checkNumberOfProbes(stacks)...)
}

func (s Stack) check(name string) (errs []error) {
	if !stackName.Get().MatchString(name) || len(name) > 200 {
		errs = append(errs, errors.New(": the name becomes a file name; use letters, digits, and any of _ . @ -"))
	}
	if !unitfile.Valid(s.Unit) {
		errs = append(errs, fmt.Errorf(".unit: %q is no unit name; write one such as web.service", s.Unit))
	}
	if !projectName.Get().MatchString(s.Project) {
		errs = append(errs, fmt.Errorf(".project: %q is no compose project; use small letters, digits, _ and -", s.Project))
	}
	if s.Apply.Timeout < 0 {
		errs = append(errs, fmt.Errorf(".apply: timeout (%s) is in the past", s.Apply.Timeout))
	}
	if s.Verify.Timeout < 0 || s.Verify.Settle < 0 || s.Verify.Settle >= s.Verify.Timeout {
		errs = append(errs, fmt.Errorf(".verify: settle (%s) must be shorter than timeout (%s)", s.Verify.Settle, s.Verify.Timeout))
	}
	if s.OnFailure != Keep && s.OnFailure != Rollback {
		errs = append(errs, fmt.Errorf(".on_failure: %q is neither %s nor %s", s.OnFailure, Keep, Rollback))
	}
	return append(append(errs, s.checkPaths()...), s.checkProbes()...)
}

func (s Stack) checkPaths() (errs []error) {
	paths := map[string][]string{"compose": s.Compose, "env_files": pathsOf(s.EnvFiles), "secrets": pathsOf(s.Secrets)}
	for _, key := range slices.Sorted(maps.Keys(paths)) {
		for _, path := range paths[key] {
			if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
				errs = append(errs, fmt.Errorf(".%s: %q is not an absolute path", key, path))
			}
		}
	}
	return errs
}

// unshared refuses two stacks with the same project or unit: containers are assigned to
// stacks by project, and applies by unit.
func (s Stack) unshared(name string, units, projects map[string]string) (errs []error) {
	if other, taken := units[s.Unit]; taken {
		errs = append(errs, fmt.Errorf(".unit: %s is the unit of stack %s already", s.Unit, other))
	}
	if other, taken := projects[s.Project]; taken {
		errs = append(errs, fmt.Errorf(".project: %s is the project of stack %s already", s.Project, other))
	}
	units[s.Unit], projects[s.Project] = name, name
	return errs
}

func pathsOf(files []File) (paths []string) {
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	return paths
}
