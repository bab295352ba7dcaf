package timeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stackpolicy/history"
)

// today is the day of the tests.
var today = time.Date(2026, 5, 4, 0, 0, 0, 0, time.FixedZone("CEST", 2*60*60))

// clockTime returns a time of today; hours before midnight are negative.
func clockTime(hour, minute int) time.Time {
	return today.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
}

func span(from, to time.Time) history.AuditSpan {
	return history.AuditSpan{From: from, To: to, Count: 1}
}

func TestSweep(t *testing.T) {
	look := func(from, to int) Spell { return Spell{clockTime(from, 0), clockTime(to, 0), InOrder} }
	mark := func(from, to int, s State) Spell { return Spell{clockTime(from, 0), clockTime(to, 0), s} }
	cases := map[string]struct {
		marks []Spell
		want  string
	}{
		"nobody looked":                     {nil, "0-10 none"},
		"looked":                            {[]Spell{look(0, 10)}, "0-10 ok"},
		"beyond the window":                 {[]Spell{look(-5, 30), mark(-2, 1, Page)}, "0-1 page 1-10 ok"},
		"a pause":                           {[]Spell{look(0, 3), look(5, 10)}, "0-3 ok 3-5 none 5-10 ok"},
		"a finding lasts not over a pause":  {[]Spell{look(0, 3), look(5, 10), mark(2, 6, Page)}, "0-2 ok 2-3 page 3-5 none 5-6 page 6-10 ok"},
		"a finding that nobody looked at":   {[]Spell{mark(2, 6, Page)}, "0-10 none"},
		"the worst counts":                  {[]Spell{look(0, 10), mark(1, 9, Ticket), mark(2, 8, Unknown), mark(3, 7, Page)}, "0-1 ok 1-2 ticket 2-3 unknown 3-7 page 7-8 unknown 8-9 ticket 9-10 ok"},
		"audits that overlap, clock back":   {[]Spell{look(0, 6), look(4, 10)}, "0-10 ok"},
		"one ends where another one begins": {[]Spell{look(0, 10), mark(2, 4, Ticket), mark(4, 6, Ticket)}, "0-2 ok 2-6 ticket 6-10 ok"},
		"backwards":                         {[]Spell{look(0, 10), mark(6, 2, Page)}, "0-10 ok"},
		"outside":                           {[]Spell{look(0, 10), mark(-6, -2, Page), mark(11, 12, Page)}, "0-10 ok"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, s := range sweep(clockTime(0, 0), clockTime(10, 0), c.marks) {
				got = append(got, fmt.Sprintf("%.0f-%.0f %s", s.From.Sub(today).Hours(), s.To.Sub(today).Hours(), [...]string{"ok", "none", "ticket", "unknown", "page"}[s.State]))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A verdict lasts until the next audit, but never over a pause.
func TestObservations(t *testing.T) {
	now := clockTime(12, 0)
	cases := map[string]struct {
		spans []history.AuditSpan
		want  string
	}{
		"none":                 {nil, ""},
		"up to now":            {[]history.AuditSpan{span(clockTime(9, 0), clockTime(11, 50))}, "09:00-12:00"},
		"long ago":             {[]history.AuditSpan{span(clockTime(9, 0), clockTime(11, 0))}, "09:00-11:00"},
		"a single one":         {[]history.AuditSpan{span(clockTime(9, 0), clockTime(9, 0))}, "09:00-09:01"},
		"the longest interval": {[]history.AuditSpan{span(clockTime(11, 36), clockTime(11, 36))}, "11:36-12:00"},
		"just beyond":          {[]history.AuditSpan{span(clockTime(11, 35), clockTime(11, 35))}, "11:35-11:36"},
		"newest first, one after the other": {[]history.AuditSpan{
			span(clockTime(10, 10), clockTime(11, 50)), span(clockTime(9, 0), clockTime(10, 0))}, "09:00-10:10 10:10-12:00"},
		"a pause between": {[]history.AuditSpan{
			span(clockTime(10, 30), clockTime(11, 50)), span(clockTime(9, 0), clockTime(10, 0))}, "09:00-10:00 10:30-12:00"},
		"from the future": {[]history.AuditSpan{span(clockTime(13, 0), clockTime(14, 0))}, "13:00-14:00"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, l := range observations(c.spans, now) {
				got = append(got, l.from.Format("15:04")+"-"+l.to.Format("15:04"))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
