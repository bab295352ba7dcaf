package audit

import (
	"context"

	"stackpolicy/facts"
)

// Source gives facts. An audit that enforces asks it again before and after
// each action.
type Source interface {
	Collect(context.Context) (*facts.Document, error)
}

// Recorded is a source of facts that were collected earlier, perhaps on another
// machine. It is read once.
type Recorded func() (*facts.Document, error)

// Collect reads the document.
func (r Recorded) Collect(context.Context) (*facts.Document, error) { return r() }
