// Package stack makes a restart of a stack a transaction: preflight looks
// whether it can be applied, apply applies it, verify waits until it is up and
// stays up. The unit of a stack calls them in that order, so that systemd
// counts a start as done only when all three are.
//
// Start at [Operator].
package stack

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

// Operator does the verbs on the stacks of one user.
type Operator struct {
	Env        collect.Environment
	Policies   *decide.Policies // what verify and status ask
	Podman     podman.Client
	HTTP       *http.Client                                           // asks registries
	Environ    []string                                               // variables for compose files and provider, as os.Environ has them
	Invocation string                                                 // $INVOCATION_ID; "" when no unit runs this
	Scope      func(description string) []string                      // [compose.Scope], for one that a unit runs
	Job        func(ctx context.Context, unit string) (string, error) // the type of a unit's job now, "" for none; nil where no unit runs this
	Output     func(line string)                                      // what the provider prints
	Progress   func(line string)                                      // what verify waits for
}

// Stack is one stack of the configuration.
type Stack struct {
	Name string
	config.Stack
}

// Find finds a stack by its name or by its unit's.
func Find(c config.Config, name string) (Stack, error) {
	for n, s := range c.Stacks {
		if n == name || s.Unit == name {
			return Stack{n, s}, nil
		}
	}
	known := slices.Sorted(maps.Keys(c.Stacks))
	if len(known) == 0 {
		return Stack{}, fmt.Errorf("no stack %q: the configuration describes none", name)
	}
	return Stack{}, fmt.Errorf("no stack %q; the configuration describes: %s", name, strings.Join(known, ", "))
}

// Locks are below the runtime folder, so that none outlives a boot.
func (o *Operator) lockPath(s Stack) string {
	return filepath.Join(o.Env.RuntimeDir, "stackpolicy", "apply-"+s.Name+".lock")
}

func (o *Operator) report(verb string, s Stack, outcome Outcome, message string) Report {
	return Report{Verb: verb, Stack: s.Name, Unit: s.Unit, Outcome: outcome, Message: message}
}

func (o *Operator) failed(verb string, s Stack, p Problem) Report {
	r := o.report(verb, s, p.Outcome, p.Message)
	r.Details, r.Hint = p.Details, p.Hint
	return r
}

// project reads the stack's compose files.
func (o *Operator) project(ctx context.Context, s Stack) (*compose.Project, *Problem) {
	if len(s.Compose) == 0 {
		return nil, &Problem{
			Outcome: Usage, Message: "the configuration names no compose files for this stack",
			Hint: fmt.Sprintf("add them under stacks.%s.compose of config.yaml", s.Name),
		}
	}
	options := compose.Options{Project: s.Project, Files: s.Compose, Environ: o.Environ}
	for _, f := range s.EnvFiles {
		options.EnvFiles = append(options.EnvFiles, f.Path)
	}
	limited, cancel := context.WithTimeout(ctx, composeLimit)
	defer cancel()
	p, err := compose.Load(limited, options)
	if err != nil {
		return nil, &Problem{Outcome: BadCompose, Message: "the compose files cannot be used", Details: lines(err)}
	}
	return p, nil
}

const (
	composeLimit = 10 * time.Second
	podmanLimit  = 10 * time.Second
)

func lines(err error) []string { return strings.Split(err.Error(), "\n") }
