// Package stack makes a restart of a stack a transaction: preflight finds out
// whether it can be applied, apply applies it, verify waits until it is up and
// stays up. The unit of a stack calls them in that order, so that systemd
// counts a start as done only when all three are.
//
// Start at [Operator]. Each of its verbs has a type of its own, which lives as
// long as the verb works.
package stack

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/text"
)

// Operator does the verbs on the stacks of one user.
type Operator struct {
	Env        collect.Environment
	Policies   *decide.Policies // what verify and status ask
	Podman     podman.Client
	HTTP       *http.Client                      // asks registries
	Environ    []string                          // variables for compose files and provider, as os.Environ has them
	Invocation string                            // $INVOCATION_ID; "" when no unit runs this
	Scope      func(description string) []string // [compose.Scope], for one that a unit runs
	Manager    Manager
	Output     func(line string) // what the provider prints
	Progress   func(line string) // what verify waits for
}

func (o *Operator) projectPodman(s Stack) projectPodman {
	return projectPodman{client: o.Podman, environ: o.Environ, project: s.Project}
}

func (o *Operator) recorder() recorder { return recorder{env: o.Env, invocation: o.Invocation} }

func (o *Operator) manager(s Stack) unitManager { return unitManager{o.Manager, s.Unit} }

// graphRoot is where rootless podman keeps its containers, unless
// containers-storage.conf(5) says another folder.
func (o *Operator) graphRoot() string {
	data := variable(o.Environ, "XDG_DATA_HOME")
	if data == "" {
		data = filepath.Join(o.Env.Home, ".local", "share")
	}
	return filepath.Join(data, "containers", "storage")
}

func variable(environ []string, name string) string {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
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
	return Stack{}, fmt.Errorf("no stack %q in the configuration; %s", name, text.Known(name, known))
}
