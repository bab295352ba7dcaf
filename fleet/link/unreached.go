package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"stackpolicy/internal/text"
)

// UnreachedError says why no address of the hub could be used.
type UnreachedError struct {
	URLs    []string // that were tried, at least one
	Reasons []error  // of each
}

func (e *UnreachedError) Error() string {
	return fmt.Sprintf("connect to the hub: %v", errors.Join(e.Reasons...))
}

// Unwrap returns the reasons.
func (e *UnreachedError) Unwrap() []error { return e.Reasons }

// Brief says it in one short line, such as "the hub does not answer at hub.example.org:4222 and 2
// more addresses (connection refused)". The reason is that of the first address.
func (e *UnreachedError) Brief() string {
	where := text.Clip(strings.TrimPrefix(e.URLs[0], "tls://"), maxBrief)
	if more := len(e.URLs) - 1; more > 0 {
		where += " and " + text.Count(more, "more address", "more addresses")
	}
	return fmt.Sprintf("the hub does not answer at %s (%s)", where, brief(e.Reasons[0]))
}

const maxBrief = 100

func brief(err error) string {
	var errno syscall.Errno
	var name *net.DNSError
	var network net.Error
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &name):
		return name.Err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, net.ErrClosed), errors.As(err, &network) && network.Timeout():
		return "no answer in time"
	}
	return text.Clip(err.Error(), maxBrief)
}
