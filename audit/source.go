package audit

import (
	"context"

	"stackpolicy/decide"
	"stackpolicy/facts"
)

// Source collects the facts. An audit that enforces collects again before each action
// and after the last.
type Source interface {
	Collect(context.Context) (*facts.Document, error)
}

// rechecker is a source that can quickly check whether a document is still true of the
// system ([collect.Unchanged]).
type rechecker interface {
	Unchanged(context.Context, *facts.Document) error
}

// optionalSource is a source that also has sections that few rules read.
type optionalSource interface {
	AddOptional(ctx context.Context, doc *facts.Document, reads func(section string) bool)
}

// addOptional adds the sections that few rules read, if a rule reads them and the source
// has them.
func addOptional(ctx context.Context, s Source, policies *decide.Policies, doc *facts.Document) {
	if optional, ok := s.(optionalSource); ok && doc != nil {
		optional.AddOptional(ctx, doc, policies.Reads)
	}
}

// Recorded is a source of facts that were collected earlier, perhaps on another machine.
// It is read once.
type Recorded func() (*facts.Document, error)

// Collect reads the document.
func (r Recorded) Collect(context.Context) (*facts.Document, error) { return r() }
