package decide

import (
	"context"
	"sync"
)

// notes is a memory in this process. It forgets everything when it is full: what it had is
// then decided again.
type notes struct {
	mu      sync.Mutex
	answers map[string][]byte
	size    int // of the keys and answers, in bytes
	limit   int
}

// maxNotes is the size of a memory in the process, in bytes.
const maxNotes = 64 << 20

// NewMemory returns a memory that lasts as long as the process.
func NewMemory() Memory { return newNotes(maxNotes) }

func newNotes(limit int) *notes { return &notes{answers: map[string][]byte{}, limit: limit} }

func (n *notes) Recall(_ context.Context, keys []string) (map[string][]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	found := map[string][]byte{}
	for _, k := range keys {
		if text, has := n.answers[k]; has {
			found[k] = text
		}
	}
	return found, nil
}

func (n *notes) Keep(_ context.Context, answers map[string][]byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for k, text := range answers {
		if old, has := n.answers[k]; has {
			n.size -= len(k) + len(old)
		}
		if n.size += len(k) + len(text); n.size > n.limit {
			clear(n.answers)
			n.size = len(k) + len(text)
		}
		n.answers[k] = text
	}
	return nil
}
