package usermanager

import (
	"bytes"
	"io"
	"sync"
)

// logBuffer keeps what is written to it, and hands it on to tee if there is
// one.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	tee  io.Writer
}

// Write never fails: a tee that does loses only its own copy.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tee != nil {
		_, _ = l.tee.Write(p)
	}
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
