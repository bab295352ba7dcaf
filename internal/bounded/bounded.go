// Package bounded has writers that keep a bounded part of what is written to them, such as
// the output of another program.
package bounded

import (
	"bytes"
	"fmt"
)

// Buffer keeps up to Limit bytes, and refuses a write that goes beyond.
type Buffer struct {
	Limit  int
	IsFull bool        // a write was refused
	Full   func(error) // called with the error of a refused write; may be nil

	data bytes.Buffer // not embedded: its ReadFrom would bypass Write
}

// Write adds p. If there is no room for all of it, it adds nothing and returns an error.
func (b *Buffer) Write(p []byte) (int, error) {
	if b.data.Len()+len(p) <= b.Limit {
		return b.data.Write(p)
	}
	b.IsFull = true
	err := fmt.Errorf("longer than %d bytes", b.Limit)
	if b.Full != nil {
		b.Full(err)
	}
	return 0, err
}

// Bytes returns what is kept. It is valid until the next write.
func (b *Buffer) Bytes() []byte { return b.data.Bytes() }

// String returns what is kept.
func (b *Buffer) String() string { return b.data.String() }

// Tail keeps the last bytes, up to Limit.
type Tail struct {
	Limit int
	Kept  []byte
	IsCut bool // there was more before them
}

// Write adds p and never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.Kept = append(t.Kept, p...)
	over := max(0, len(t.Kept)-t.Limit)
	t.Kept, t.IsCut = t.Kept[over:], t.IsCut || over > 0
	return len(p), nil
}
