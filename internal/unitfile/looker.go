package unitfile

import (
	"io/fs"
	"sync"
)

// Looker looks at the paths of one moment: where many lead to one folder or to
// one file, that is looked up once. It may be used by several goroutines.
type Looker struct {
	// MaxDigest is the size in bytes above which no file is digested. It must not be
	// changed once the Looker is in use.
	MaxDigest int64

	store  string
	lstat  memo[fs.FileInfo]
	real   memo[string] // folder -> its path without links
	digest memo[string]
}

// NewLooker starts with nothing seen. For store see [Stat].
func NewLooker(store string) *Looker { return &Looker{store: store, MaxDigest: maxDigest} }

// memo remembers answers, but for errors.
type memo[T any] struct{ known sync.Map }

func (m *memo[T]) get(path string, find func(string) (T, error)) (T, error) {
	if v, ok := m.known.Load(path); ok {
		return v.(T), nil
	}
	v, err := find(path)
	if err == nil {
		m.known.Store(path, v)
	}
	return v, err
}
