package daily

import (
	"fmt"
	"strings"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/spool"
	"stackpolicy/history"
	"stackpolicy/internal/text"
	"stackpolicy/internal/times"
)

// Member is what the account itself knows of its fleet.
type Member struct {
	fleet.Source
	Hub      []string // addresses, HOST:PORT
	Enrolled time.Time
	spool.Waiting
	Problem string // why it is not known; "" if it is
}

// away is after how long without the hub there is something to do. Evidence is sent every quarter
// of an hour at least, if audits run.
const away = time.Hour

// line says all of it.
func (m Member) line(last *history.AuditSpan, now time.Time) string {
	who := ""
	if m.Host != "" {
		who = fmt.Sprintf("member of %s as %s %s", name(m.Org), name(m.Host), name(m.User))
		if len(m.Hub) > 0 {
			who += ", at " + name(m.Hub[0])
		}
		who += ". "
	}
	if m.Problem != "" {
		return who + "It is not known what waits: " + sentence(m.Problem)
	}
	return strings.TrimSpace(who + m.confirmed(clock{now}) + m.waiting(clock{now}) + m.advice(last, now))
}

func (m Member) confirmed(c clock) string {
	if m.Confirmed.IsZero() {
		return "The hub has confirmed nothing yet. "
	}
	return fmt.Sprintf("The hub confirmed what it has at %s (%s). ", c.at(m.Confirmed), c.ago(m.Confirmed))
}

func (m Member) waiting(c clock) string {
	switch {
	case m.Audits > 0:
		return fmt.Sprintf("%s since %s to be sent. ", text.Count(int(m.Audits), "audit waits", "audits wait"), c.at(m.Since))
	case m.Unsent > 0:
		return text.Count(m.Unsent, "envelope waits", "envelopes wait") + " to be sent. "
	}
	return "Nothing waits to be sent. "
}

// advice says what to do if audits run, but the hub has not answered or confirmed for long.
func (m Member) advice(last *history.AuditSpan, now time.Time) string {
	if last == nil {
		return ""
	}
	reached, confirmed := times.Later(m.Reached, m.Enrolled), times.Later(m.Confirmed, m.Enrolled)
	switch {
	case last.To.Sub(reached) > away:
		return fmt.Sprintf("The hub was not reached for %s: `systemctl --user status stackpolicy-alerts.service` says why. It is sent when the hub answers.",
			text.Elapsed(now.Sub(reached)))
	case m.Unconfirmed > 0 && last.To.Sub(confirmed) > away:
		return fmt.Sprintf("The hub takes what is sent, but confirmed nothing for %s: see on the hub whether its archive runs and has space.",
			text.Elapsed(now.Sub(confirmed)))
	}
	return ""
}

// memberJSON is a [Member] for programs.
type memberJSON struct {
	Org         string     `json:"org"`
	Host        string     `json:"host"`
	User        string     `json:"user"`
	Hub         []string   `json:"hub"`
	Enrolled    time.Time  `json:"enrolled"`
	Confirmed   *time.Time `json:"confirmed"` // null: nothing yet
	Reached     *time.Time `json:"reached"`   // null: never since it was enrolled
	Audits      int64      `json:"audits"`    // that wait to be sent
	Since       *time.Time `json:"since"`     // null: none waits
	Unsent      int        `json:"unsent"`
	Unconfirmed int        `json:"unconfirmed"`
	Problem     string     `json:"problem"` // why what waits is not known; empty if it is
	Advice      string     `json:"advice"`  // empty: nothing is to be done
}

func memberOf(m *Member, last *history.AuditSpan, now time.Time) *memberJSON {
	if m == nil {
		return nil
	}
	out := &memberJSON{
		Org: m.Org, Host: m.Host, User: m.User, Hub: list(m.Hub), Enrolled: m.Enrolled, Confirmed: unlessZero(m.Confirmed), Reached: unlessZero(m.Reached),
		Audits: m.Audits, Since: unlessZero(m.Since), Unsent: m.Unsent, Unconfirmed: m.Unconfirmed, Problem: m.Problem,
	}
	if m.Problem == "" {
		out.Advice = m.advice(last, now)
	}
	return out
}

func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
