// Package lazyregexp compiles a regular expression when it is first used: most runs of a
// program use only a few of the regular expressions in its packages.
package lazyregexp

import (
	"regexp"
	"sync"
)

// Regexp is a regular expression that is compiled by its first use.
type Regexp struct{ compiled func() *regexp.Regexp }

// New takes an expression that compiles; its first use panics otherwise.
func New(expression string) Regexp {
	return Regexp{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })}
}

// Get returns the compiled expression.
func (r Regexp) Get() *regexp.Regexp { return r.compiled() }
