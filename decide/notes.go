package decide

import (
	"context"
	"sync"
	"time"
)

// notes is a memory in this process. It forgets everything when it is full: what it had is
// then decided again.
type notes struct {
	mu      sync.Mutex
	answers map[string]*note
	size    int // of the keys and answers, in bytes
	limit   int
	age     time.Duration // after which it forgets what nobody asked for; 0: never
	swept   time.Time
}

type note struct {
	text  []byte
	asked time.Time
}

// maxNotes is the size of a memory in the process, in bytes, and oldNote the age of what a
// lasting one forgets.
const (
	maxNotes = 64 << 20
	oldNote  = 3 * time.Minute
)

// NewMemory returns a memory for a process that decides many documents and ends.
func NewMemory() Memory { return newNotes(maxNotes, 0) }

// NewLastingMemory returns a memory for a process that decides one account for months. It forgets
// what no document of the last minutes asked for.
func NewLastingMemory() Memory { return newNotes(maxNotes, oldNote) }

func newNotes(limit int, age time.Duration) *notes {
	return &notes{answers: map[string]*note{}, limit: limit, age: age, swept: time.Now()}
}

func (n *notes) Recall(_ context.Context, keys []string) (map[string][]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	found, now := map[string][]byte{}, time.Now()
	for _, k := range keys {
		if kept, has := n.answers[k]; has {
			found[k], kept.asked = kept.text, now
		}
	}
	return found, nil
}

func (n *notes) Keep(_ context.Context, answers map[string][]byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	n.sweep(now)
	for k, text := range answers {
		n.drop(k)
		if n.size += len(k) + len(text); n.size > n.limit {
			clear(n.answers)
			n.size = len(k) + len(text)
		}
		n.answers[k] = &note{text, now}
	}
	return nil
}

// sweep forgets what is old, once in the time after which it is.
func (n *notes) sweep(now time.Time) {
	if n.age == 0 || now.Sub(n.swept) < n.age {
		return
	}
	n.swept = now
	for k, kept := range n.answers {
		if now.Sub(kept.asked) >= n.age {
			n.drop(k)
		}
	}
}

func (n *notes) drop(key string) {
	if kept, has := n.answers[key]; has {
		n.size -= len(key) + len(kept.text)
		delete(n.answers, key)
	}
}
