package daily

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stackpolicy/history"
)

func TestSweep(t *testing.T) {
	look := func(from, to int) spell { return spell{clockTime(from, 0), clockTime(to, 0), inOrder} }
	mark := func(from, to int, s state) spell { return spell{clockTime(from, 0), clockTime(to, 0), s} }
	cases := map[string]struct {
		marks []spell
		want  string
	}{
		"nobody looked":                     {nil, "0-10 none"},
		"looked":                            {[]spell{look(0, 10)}, "0-10 ok"},
		"beyond the window":                 {[]spell{look(-5, 30), mark(-2, 1, page)}, "0-1 page 1-10 ok"},
		"a pause":                           {[]spell{look(0, 3), look(5, 10)}, "0-3 ok 3-5 none 5-10 ok"},
		"a finding lasts not over a pause":  {[]spell{look(0, 3), look(5, 10), mark(2, 6, page)}, "0-2 ok 2-3 page 3-5 none 5-6 page 6-10 ok"},
		"a finding that nobody looked at":   {[]spell{mark(2, 6, page)}, "0-10 none"},
		"the worst counts":                  {[]spell{look(0, 10), mark(1, 9, ticket), mark(2, 8, unknown), mark(3, 7, page)}, "0-1 ok 1-2 ticket 2-3 unknown 3-7 page 7-8 unknown 8-9 ticket 9-10 ok"},
		"audits that overlap, clock back":   {[]spell{look(0, 6), look(4, 10)}, "0-10 ok"},
		"one ends where another one begins": {[]spell{look(0, 10), mark(2, 4, ticket), mark(4, 6, ticket)}, "0-2 ok 2-6 ticket 6-10 ok"},
		"backwards":                         {[]spell{look(0, 10), mark(6, 2, page)}, "0-10 ok"},
		"outside":                           {[]spell{look(0, 10), mark(-6, -2, page), mark(11, 12, page)}, "0-10 ok"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, s := range sweep(clockTime(0, 0), clockTime(10, 0), c.marks) {
				got = append(got, fmt.Sprintf("%.0f-%.0f %s", s.from.Sub(today).Hours(), s.to.Sub(today).Hours(), s.state.class()))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestLooks: a verdict lasts until the next audit, but never over a pause.
func TestLooks(t *testing.T) {
	now := clockTime(12, 0)
	cases := map[string]struct {
		spans []history.AuditSpan
		want  string
	}{
		"none":                 {nil, ""},
		"up to now":            {[]history.AuditSpan{span(clockTime(9, 0), clockTime(11, 50), 0, "")}, "09:00-12:00"},
		"long ago":             {[]history.AuditSpan{span(clockTime(9, 0), clockTime(11, 0), 0, "")}, "09:00-11:00"},
		"a single one":         {[]history.AuditSpan{span(clockTime(9, 0), clockTime(9, 0), 0, "")}, "09:00-09:01"},
		"the longest interval": {[]history.AuditSpan{span(clockTime(11, 36), clockTime(11, 36), 0, "")}, "11:36-12:00"},
		"just beyond":          {[]history.AuditSpan{span(clockTime(11, 35), clockTime(11, 35), 0, "")}, "11:35-11:36"},
		"newest first, one after the other": {[]history.AuditSpan{
			span(clockTime(10, 10), clockTime(11, 50), 0, ""), span(clockTime(9, 0), clockTime(10, 0), 0, "")}, "09:00-10:10 10:10-12:00"},
		"a pause between": {[]history.AuditSpan{
			span(clockTime(10, 30), clockTime(11, 50), 0, ""), span(clockTime(9, 0), clockTime(10, 0), 0, "")}, "09:00-10:00 10:30-12:00"},
		"from the future": {[]history.AuditSpan{span(clockTime(13, 0), clockTime(14, 0), 0, "")}, "13:00-14:00"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, l := range looks(c.spans, now) {
				got = append(got, l.from.Format("15:04")+"-"+l.to.Format("15:04"))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestStripBounds: the path stays in its box, whatever the length of the
// window.
func TestStripBounds(t *testing.T) {
	for _, length := range []time.Duration{time.Nanosecond, time.Second, time.Hour + 1, 24 * time.Hour, 366 * 24 * time.Hour} {
		s := strip([]spell{{today, today.Add(length), page}})
		if got, want := s.Bands[0].Path, fmt.Sprintf("M0 0h%dv24h-%dz", cells, cells); length >= cells && got != want {
			t.Errorf("%v: got %s, want %s", length, got, want)
		}
		if got := len([]rune(s.Line)); got != cells/perChar {
			t.Errorf("%v: %d characters", length, got)
		}
	}
}
