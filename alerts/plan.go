package alerts

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stackpolicy/alerts/notify"
	"stackpolicy/finding"
	"stackpolicy/history"
)

// plan lists what is to be put into the outbox: where what holds differs from what
// the sink was last told. So what a kill kept from the outbox is made up for by the
// next audit, and a sink that is new is told what is open.
func (o Options) plan(ctx context.Context) ([]history.Message, error) {
	var messages []history.Message
	oldestFirst := slices.SortedFunc(slices.Values(o.Standings), func(a, b history.Standing) int { return cmp.Compare(a.ID, b.ID) })
	for _, r := range o.Routes {
		for _, s := range oldestFirst {
			t, err := o.Outbox.LastTold(ctx, r.Name(), s.ID)
			if err != nil {
				return messages, fmt.Errorf("read what %s was told: %w", r.Name(), err)
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

// news is what there is to tell a sink of a finding: a kind of alert, and a key
// that is another one for each such message; "" is nothing. Two audits at once give
// the same key, as both know the same last message. A finding may be told anew after
// an hour: the outbox takes no key again of a message that it dropped.
func (o Options) news(r notify.Route, s history.Standing, t history.Told) (kind, key string) {
	wanted, ever := wants(r, s.Finding, o.Now), t.Kind != ""
	changed := ever && t.Verdict != "" && t.Verdict != verdict(s.Finding)
	ended := t.Kind == notify.KindResolved || t.Kind == notify.KindHealed
	after := strconv.FormatInt(t.Message, 10)
	switch {
	case s.ResolvedAt != nil && ended:
		return "", ""
	case s.ResolvedAt != nil && s.Outcome == finding.Healed && (ever || wanted && r.Heals):
		return notify.KindHealed, notify.KindHealed // it may have been a page before, as heals that fail are
	case s.ResolvedAt != nil && ever:
		return notify.KindResolved, notify.KindResolved
	case s.ResolvedAt != nil:
		return "", ""
	case wanted && !ever:
		return notify.KindFiring, notify.KindFiring + o.Now.UTC().Format("2006-01-02T15")
	case wanted && changed:
		return notify.KindChanged, notify.KindChanged + after
	case wanted && !t.Waiting && repeats(r, t.Sent, o.Now):
		return notify.KindRepeat, notify.KindRepeat + after
	case !wanted && !ended && changed:
		return notify.KindResolved, "withdrawn" + after
	}
	return "", ""
}

// verdict is what an alert says of a finding, apart from its text. Another one is
// worth another alert.
func verdict(f finding.Finding) string {
	until := ""
	if f.Waiver != nil {
		until = f.Waiver.Until.UTC().Format(time.RFC3339)
	}
	return strings.Join([]string{string(f.Effect), string(f.Urgency()), string(f.Outcome), f.Case(), until}, " ")
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

func (o Options) message(r notify.Route, s history.Standing, kind, key string) (history.Message, error) {
	body, err := json.Marshal(cut(o.alert(kind, s)))
	if err != nil {
		return history.Message{}, fmt.Errorf("encode an alert: %w", err)
	}
	return history.Message{
		Sink: r.Name(), Key: strconv.FormatInt(s.ID, 10) + " " + key, Kind: kind, Standing: s.ID, Verdict: verdict(s.Finding),
		Body: body, CreatedAt: o.Now, NextTry: o.Now,
	}, nil
}
