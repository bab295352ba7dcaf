package broker

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// logger takes what the server logs: errors and warnings, nothing else.
type logger struct {
	to     func(string)
	broken func(error) // a stream cannot write to the disk

	mu   sync.Mutex
	last error // a fatal one
}

func (l *logger) say(format string, args ...any) {
	if l.to != nil {
		l.to(fmt.Sprintf(format, args...))
	}
}

// Fatalf is called where the server would end the program.
func (l *logger) Fatalf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = errors.New(fmt.Sprintf(format, args...))
}

func (l *logger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// criticalWrite is in the message of the server when a stream could not write. The server tells it
// in no other way.
const criticalWrite = "critical write error"

// Errorf takes errors.
func (l *logger) Errorf(format string, args ...any) {
	l.say(format, args...)
	if line := fmt.Sprintf(format, args...); strings.Contains(strings.ToLower(line), criticalWrite) {
		l.broken(fmt.Errorf("the broker cannot write to its disk: make space, and start it again: %s", line))
	}
}

func (l *logger) Warnf(format string, args ...any) { l.say(format, args...) }
func (l *logger) Noticef(string, ...any)           {}
func (l *logger) Debugf(string, ...any)            {}
func (l *logger) Tracef(string, ...any)            {}
