// Package lazyregexp compiles a regular expression when it is used first: most
// runs of a program use few of those that its packages have.
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

// Get is the compiled expression.
func (r Regexp) Get() *regexp.Regexp { return r.compiled() }
