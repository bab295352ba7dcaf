package broker

import (
	"errors"
	"fmt"
	"sync"
)

// logger takes what the server logs: errors and warnings, nothing else.
type logger struct {
	to func(string)

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

func (l *logger) Errorf(format string, args ...any) { l.say(format, args...) }
func (l *logger) Warnf(format string, args ...any)  { l.say(format, args...) }
func (l *logger) Noticef(string, ...any)            {}
func (l *logger) Debugf(string, ...any)             {}
func (l *logger) Tracef(string, ...any)             {}
