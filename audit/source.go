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

// localSource is a source that also has the operator's own facts. They are only read for
// rules that read them.
type localSource interface {
	AddLocal(context.Context, *facts.Document)
}

// addLocal adds the operator's own facts if a rule reads them and the source has them.
func addLocal(ctx context.Context, s Source, policies *decide.Policies, doc *facts.Document) {
	if local, ok := s.(localSource); ok && doc != nil && policies.Reads("local") {
		local.AddLocal(ctx, doc)
	}
}

// Recorded is a source of facts that were collected earlier, perhaps on another machine.
// It is read once.
type Recorded func() (*facts.Document, error)

// Collect reads the document.
func (r Recorded) Collect(context.Context) (*facts.Document, error) { return r() }
