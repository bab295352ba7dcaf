package usermanager

import (
	"bytes"
	"io"
	"sync"
)

// logBuffer keeps everything that is written to it. If tee is set, it gets a copy.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	tee  io.Writer
}

// Write never fails. An error of tee is ignored.
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
