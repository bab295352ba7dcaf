package alerts

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stackpolicy/history"
	"stackpolicy/notify"
)

// Send sends what audits with a spool left for sinks of the network. The outbox is nil if
// there is no history. It takes as long as [Run]. There is a notice for each sink that was
// not sent everything, also if it is too early to try again.
func Send(ctx context.Context, o Options) []Notice {
	ctx, cancel := context.WithTimeout(ctx, total)
	defer cancel()
	routes := slices.DeleteFunc(slices.Clone(o.Routes), func(r notify.Route) bool { return !r.Network })
	spool, err := takeSpool(o.Spool)
	notices := noticeIf(err)
	var waiting []history.Message
	if o.Outbox != nil {
		waiting, err = all(ctx, o.Outbox, o.Now)
		notices = append(notices, noticeIf(err)...)
	}
	notices = append(notices, toAll(routes, func(r notify.Route) []Notice {
		return append(sendNow(ctx, r, spool.of(r.Name())), o.drain(ctx, r, of(r.Name(), waiting))...)
	})...)
	for _, r := range routes {
		if !slices.ContainsFunc(notices, func(n Notice) bool { return n.Sink == r.Name() }) {
			notices = append(notices, o.later(r.Name(), waiting)...)
		}
	}
	return notices
}

// later says of a sink whose last try failed that it is tried again.
func (o Options) later(sink string, waiting []history.Message) []Notice {
	list := of(sink, waiting)
	i := slices.IndexFunc(list, o.isLater)
	if i < 0 || list[i].Tries == 0 { // another process sends it at this moment
		return nil
	}
	return []Notice{{sink, fmt.Sprintf("%s; tried again after %s", list[i].LastError, list[i].NextTry.UTC().Format(time.RFC3339))}}
}

// patience is how long a message may wait for its first try, or a due one for the next:
// longer than the time between two audits.
const patience = 30 * time.Minute

// stuck says of sinks of the network that nothing sends what waits for them.
func (o Options) stuck(waiting []history.Message) (notices []Notice) {
	for _, r := range o.Routes {
		list := slices.DeleteFunc(of(r.Name(), waiting), func(m history.Message) bool { return o.Now.Sub(m.NextTry) < patience })
		if r.Network && len(list) > 0 {
			notices = append(notices, Notice{r.Name(), fmt.Sprintf("%d wait, and none was tried since %s: see systemctl --user status stackpolicy-alerts.service",
				len(list), list[0].NextTry.UTC().Format(time.RFC3339))})
		}
	}
	return notices
}
