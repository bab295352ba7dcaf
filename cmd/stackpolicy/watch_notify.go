package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"stackpolicy/internal/systemd"
	"stackpolicy/watch"
)

// notifier tells the manager how a watch is (sd_notify(3)).
type notifier struct {
	socket string
	say    func(string)

	lock  sync.Mutex
	last  watch.Health
	said  string
	wrong bool // it was said that the manager cannot be told
}

// beat tells what changed.
func (n *notifier) beat(h watch.Health) {
	n.lock.Lock()
	defer n.lock.Unlock()
	var tell []string
	if h.Loading && !n.last.Loading {
		tell = append(tell, "RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(monotonic().Microseconds(), 10))
	}
	if h.Ready && !h.Loading && (!n.last.Ready || n.last.Loading) {
		tell = append(tell, "READY=1")
	}
	if status := statusOf(h); status != n.said {
		n.said = status
		tell = append(tell, "STATUS="+status)
	}
	n.last = h
	if len(tell) > 0 {
		n.tell(tell...)
	}
}

func statusOf(h watch.Health) string {
	if !h.Ready {
		return "audits for the first time"
	}
	status := fmt.Sprintf("exit status %d: %s", h.ExitCode, meanings[h.ExitCode])
	if len(h.Lost) > 0 {
		status += "; cannot follow " + strings.Join(h.Lost, ", ")
	}
	return status
}

// keepAlive tells the manager's watchdog that the watch does not hang.
func (n *notifier) keepAlive(ctx context.Context) {
	limit, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || limit <= 0 {
		return
	}
	every := time.NewTicker(time.Duration(limit) * time.Microsecond / 3)
	defer every.Stop()
	for {
		n.lock.Lock()
		hangs := !n.last.Busy.IsZero() && time.Now().After(n.last.Busy)
		n.lock.Unlock()
		if !hangs {
			n.tell("WATCHDOG=1")
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

func (n *notifier) tell(assignments ...string) {
	if err := systemd.Notify(n.socket, assignments...); err != nil && !n.wrong {
		n.wrong = true
		n.say(err.Error())
	}
}

func monotonic() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // has no errors for this clock
	return time.Duration(t.Nano())
}
