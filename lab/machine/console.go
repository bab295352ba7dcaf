package machine

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// Bounds on what is kept of a console, and on what an error shows of it.
const (
	maxConsole = 1 << 20
	tailLines  = 20
)

// console keeps the end of what is written to it, and hands everything on to
// tee if there is one.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
	tee  io.Writer
}

// Write never fails: a tee that does loses only its own copy.
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

// tail is the end of it, for errors.
func (c *console) tail() string {
	lines := strings.Split(strings.TrimSpace(c.String()), "\n")
	text := strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
	if text == "" {
		return "(nothing)"
	}
	return text
}
