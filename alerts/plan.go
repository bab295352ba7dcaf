package alerts

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"stackpolicy/alerts/notify"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// told is what a sink knows of a standing finding.
type told struct {
	ever    bool      // it was sent something, or that waits
	waiting bool      // something waits
	last    time.Time // when it was sent something; zero when never
}

// plan lists what is to be put into the outbox. It goes by what each sink was
// told, not by the audit's changes alone: what a kill kept from the outbox is
// made up for by the next audit, and a sink that is new hears of what stands.
func (o Options) plan(ctx context.Context, waiting []history.Message) ([]history.Message, error) {
	var messages []history.Message
	oldestFirst := slices.SortedFunc(slices.Values(o.Standings), func(a, b history.Standing) int { return cmp.Compare(a.ID, b.ID) })
	for _, r := range o.Routes {
		for _, s := range oldestFirst {
			t, err := o.told(ctx, r, s, waiting)
			if err != nil {
				return messages, err
			}
			kind, key := o.news(r, s, t)
			if kind == "" {
				continue
			}
			m, err := o.message(r, s, kind, key)
			if err != nil {
				return messages, err
			}
			messages = append(messages, m)
		}
	}
	return messages, nil
}

func (o Options) told(ctx context.Context, r notify.Route, s history.Standing, waiting []history.Message) (told, error) {
	last, err := o.Outbox.LastSent(ctx, r.Name(), s.ID)
	if err != nil {
		return told{}, fmt.Errorf("read what %s was told: %w", r.Name(), err)
	}
	queued := slices.ContainsFunc(waiting, func(m history.Message) bool { return m.Sink == r.Name() && m.Standing == s.ID })
	return told{ever: queued || !last.IsZero(), waiting: queued, last: last}, nil
}

// news is what there is to tell a sink of a finding: a kind of alert, and what
// tells it from others of the same finding; "" is nothing. What can come more
// than once is told apart by the time of the audit. A finding may be told anew
// after an hour: what the outbox dropped, it takes under that key no more.
func (o Options) news(r notify.Route, s history.Standing, t told) (kind, key string) {
	wanted, changed := wants(r, s.Finding, o.Now), o.changed(s)
	at := strconv.FormatInt(o.Now.UnixNano(), 10)
	switch {
	case s.ResolvedAt != nil && s.Outcome == finding.Healed && (t.ever || wanted && r.Heals):
		return notify.KindHealed, notify.KindHealed // it may have been a page before, as heals that fail are
	case s.ResolvedAt != nil && wanted && t.ever:
		return notify.KindResolved, notify.KindResolved
	case s.ResolvedAt != nil:
		return "", ""
	case wanted && !t.ever:
		return notify.KindFiring, notify.KindFiring + o.Now.UTC().Format("2006-01-02T15")
	case wanted && changed:
		return notify.KindChanged, notify.KindChanged + at
	case wanted && !t.waiting && repeats(r, t.last, o.Now):
		return notify.KindRepeat, notify.KindRepeat + at
	case !wanted && changed && t.ever:
		return notify.KindResolved, "withdrawn" + at
	}
	return "", ""
}

// wants: the finding is bad enough for the sink, and not waived.
func wants(r notify.Route, f finding.Finding, now time.Time) bool {
	waived := f.Waiver != nil && f.Waiver.Until.After(now)
	return !waived && (r.Severity == string(finding.Ticket) || f.Urgency() == finding.Page)
}

// repeats: it is long enough ago, or the clock was set back.
func repeats(r notify.Route, last, now time.Time) bool {
	return now.Before(last) || now.Sub(last) >= r.Repeat
}

func (o Options) changed(s history.Standing) bool {
	return slices.ContainsFunc(o.Changes.Changed, func(c history.Standing) bool { return c.ID == s.ID })
}

func (o Options) message(r notify.Route, s history.Standing, kind, key string) (history.Message, error) {
	body, err := json.Marshal(cut(o.alert(kind, s)))
	if err != nil {
		return history.Message{}, fmt.Errorf("encode an alert: %w", err)
	}
	return history.Message{
		Sink: r.Name(), Key: strconv.FormatInt(s.ID, 10) + " " + key, Kind: kind, Standing: s.ID,
		Body: body, CreatedAt: o.Now, NextTry: o.Now,
	}, nil
}
