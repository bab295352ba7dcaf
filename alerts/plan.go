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

	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/notify"
)

// plan lists the messages to put into the outbox: those for findings that differ from
// what the sink was last sent. So if an audit was killed before it used the outbox, the
// next audit sends its alerts, and a new sink is sent the findings that are open.
func (o Options) plan(ctx context.Context) ([]history.Message, error) {
	if o.Occurrences == nil {
		return nil, nil
	}
	older, err := o.Outbox.Unfinished(ctx, o.Now.Add(-Memory), ends, maxWaiting)
	if err != nil {
		return nil, err
	}
	oldestFirst := append(older, o.Occurrences...)
	slices.SortFunc(oldestFirst, func(a, b history.Occurrence) int { return cmp.Compare(a.ID, b.ID) })
	var messages []history.Message
	for _, r := range o.Routes {
		states, err := o.states(ctx, r.Name(), oldestFirst)
		if err != nil {
			return messages, fmt.Errorf("read what was sent to %s: %w", r.Name(), err)
		}
		gaps := map[string]bool{}
		for i, s := range oldestFirst {
			if isOneGap(s, states[i], gaps) {
				continue
			}
			kind, key := o.next(r, s, states[i])
			if kind == "" {
				continue
			}
			m, err := o.as(states[i]).message(r, s, kind, key)
			if err != nil {
				return messages, err
			}
			messages = append(messages, m)
		}
	}
	return messages, nil
}

// states returns what the sink was sent about each finding. A finding that is back before
// the sink was sent that it is resolved continues the earlier one: nothing more is sent
// about that.
func (o Options) states(ctx context.Context, sink string, oldestFirst []history.Occurrence) ([]history.SinkState, error) {
	states := make([]history.SinkState, len(oldestFirst))
	last := map[string]int{} // by incident, the one that the sink was last sent something about
	for i, s := range oldestFirst {
		t, err := o.Outbox.SinkState(ctx, sink, s.ID)
		if err != nil {
			return nil, err
		}
		same := o.incident(s.Finding)
		if was, known := last[same]; known && !isEnded(states[was]) && isOver(oldestFirst[was], s.Since) {
			if t.Kind == "" {
				if t, err = o.continued(ctx, sink, oldestFirst[was].ID, s.ID); err != nil {
					return nil, err
				}
			}
			states[was].Kind = history.Continued
		}
		if states[i] = t; t.Kind != "" {
			last[same] = i
		}
	}
	return states, nil
}

// continued lets a finding continue an earlier one, and returns what the sink was sent.
func (o Options) continued(ctx context.Context, sink string, from, to int64) (history.SinkState, error) {
	if err := o.Outbox.Continue(ctx, sink, from, to); err != nil {
		return history.SinkState{}, err
	}
	return o.Outbox.SinkState(ctx, sink, to)
}

// isOver reports whether the finding was resolved when another one appeared.
func isOver(s history.Occurrence, since time.Time) bool {
	return s.ResolvedAt != nil && !s.ResolvedAt.After(since)
}

// ends are the kinds of messages after which a sink expects no more about a finding that
// is gone.
var ends = []string{notify.KindResolved, notify.KindHealed, history.Continued}

// isEnded reports whether the last message about the finding is an end.
func isEnded(t history.SinkState) bool { return slices.Contains(ends, t.Kind) }

// isHeld reports whether it is too early to say that the finding is resolved: it is not gone
// for long, or the last audit could not decide. If the clock was set back, it is not known
// how long it is gone.
func (o Options) isHeld(s history.Occurrence) bool {
	gone := o.Now.Sub(*s.ResolvedAt)
	return gone >= 0 && gone < Hold || slices.ContainsFunc(o.Occurrences, func(x history.Occurrence) bool {
		return x.ResolvedAt == nil && x.IsUnknown() && x.Invariant == s.Invariant && (x.Subject == s.Subject || x.Subject == finding.Host)
	})
}

// isOneGap reports whether the finding could not be decided because the same collector
// failed as for an earlier finding, which is enough for one alert. seen holds the
// collectors of the earlier findings.
func isOneGap(s history.Occurrence, t history.SinkState, seen map[string]bool) bool {
	collector, _ := s.Evidence["collector"].(string)
	if !s.IsGap() || s.ResolvedAt != nil || collector == "" {
		return false
	}
	again := seen[collector]
	seen[collector] = true
	return again && t.Kind == ""
}

// next returns the kind of the alert that a sink is to be sent now, and a key that differs
// for each alert about the same finding; "" if nothing is to be sent. Two audits at the
// same time get the same key, because both know the same last message. The key of a first
// alert has the hour: the outbox takes each key only once, so an alert that it dropped can
// be sent an hour later.
func (o Options) next(r notify.Route, s history.Occurrence, t history.SinkState) (kind, key string) {
	wanted, ever := wants(r, s.Finding, o.Now), t.Kind != ""
	changed := ever && t.Verdict != "" && !isAlike(t.Verdict, o.verdict(s.Finding))
	ended := isEnded(t)
	after := strconv.FormatInt(t.Message, 10)
	switch {
	case s.ResolvedAt != nil && ended:
		return "", ""
	case s.ResolvedAt != nil && s.Outcome == finding.Healed && (ever || wanted && r.Heals):
		return notify.KindHealed, notify.KindHealed // it may have been a page before, as heals that fail are
	case s.ResolvedAt != nil && ever && !o.isHeld(s):
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

// verdict returns what an alert says about a finding, apart from its text, and then the
// name of the host. If it changes, an alert is sent.
func (o Options) verdict(f finding.Finding) string {
	until := ""
	if f.Waiver != nil {
		until = f.Waiver.Until.UTC().Format(time.RFC3339)
	}
	return strings.Join([]string{string(f.Effect), string(f.Urgency()), string(f.Outcome), f.Case(), until}, " ") + atHost + o.Host
}

// atHost begins the name of the host in a verdict. Versions before this one left it out.
const atHost = " @"

func hostOf(verdict string) string {
	if i := strings.LastIndex(verdict, atHost); i >= 0 {
		return verdict[i+len(atHost):]
	}
	return ""
}

// isAlike reports whether two verdicts differ in nothing but the host's name.
func isAlike(a, b string) bool {
	return strings.TrimSuffix(a, atHost+hostOf(a)) == strings.TrimSuffix(b, atHost+hostOf(b))
}

// as returns the options with the host's name under which a sink was told of a finding.
// If the host is renamed, sinks would take an alert with the other name for another
// incident, and the first one would never end.
func (o Options) as(t history.SinkState) Options {
	o.Host = cmp.Or(hostOf(t.Verdict), o.Host)
	return o
}

// wants reports whether the finding is severe enough for the sink and not waived.
func wants(r notify.Route, f finding.Finding, now time.Time) bool {
	waived := f.Waiver != nil && f.Waiver.Until.After(now)
	return !waived && (r.Severity == string(finding.Ticket) || f.Urgency() == finding.Page)
}

// repeats reports whether the last alert is long enough ago, or the clock was set
// back.
func repeats(r notify.Route, last, now time.Time) bool {
	return now.Before(last) || now.Sub(last) >= r.Repeat
}

func (o Options) message(r notify.Route, s history.Occurrence, kind, key string) (history.Message, error) {
	body, err := json.Marshal(cut(o.alert(kind, s)))
	if err != nil {
		return history.Message{}, fmt.Errorf("encode an alert: %w", err)
	}
	return history.Message{
		Sink: r.Name(), Key: strconv.FormatInt(s.ID, 10) + " " + key, Kind: kind, Occurrence: s.ID, Verdict: o.verdict(s.Finding),
		Body: body, CreatedAt: o.Now, NextTry: o.Now,
	}, nil
}
