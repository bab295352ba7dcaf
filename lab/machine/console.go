package machine

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// How much of the console's text is kept, in bytes, and how many lines of it an error
// shows.
const (
	maxConsole = 1 << 20
	tailLines  = 20
)

// console keeps the last part of what is written to it. If tee is set, it gets
// everything.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
	tee  io.Writer
}

// Write never fails. An error of tee is ignored.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tee != nil {
		_, _ = c.tee.Write(p)
	}
	c.text.Write(p)
	if over := c.text.Len() - maxConsole; over > 0 {
		c.text.Next(over)
	}
	return len(p), nil
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// tail returns the last lines, for errors.
func (c *console) tail() string {
	lines := strings.Split(strings.TrimSpace(c.String()), "\n")
	text := strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
	if text == "" {
		return "(nothing)"
	}
	return text
}
