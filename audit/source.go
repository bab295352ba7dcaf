package audit

import (
	"context"

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

// Recorded is a source of facts that were collected earlier, perhaps on another machine.
// It is read once.
type Recorded func() (*facts.Document, error)

// Collect reads the document.
func (r Recorded) Collect(context.Context) (*facts.Document, error) { return r() }
