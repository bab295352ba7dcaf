package gate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/history"
)

// remembered is what a recording has: audits at minutes before noon, the newest first.
type remembered []struct {
	name     string
	from, to int // minutes before noon
	facts.Declared
}

func (r remembered) Audits(_ context.Context, since time.Time, _ int) (spans []history.AuditSpan, err error) {
	for _, a := range r {
		s := history.AuditSpan{From: minutesBefore(a.from), To: minutesBefore(a.to), DocumentDigest: a.name}
		if !s.To.Before(since) {
			spans = append(spans, s)
		}
	}
	return spans, nil
}

func (r remembered) Document(_ context.Context, digest string, at time.Time) (*facts.Document, error) {
	for _, a := range r {
		if a.name == digest {
			return &facts.Document{CollectedAt: at, Declared: &a.Declared, Host: &facts.Host{Name: a.name}}, nil
		}
	}
	return nil, errors.New("no such document")
}

func minutesBefore(n int) time.Time { return noon.Add(-time.Duration(n) * time.Minute) }

func of(generation, state string, ahead ...string) facts.Declared {
	return facts.Declared{Generation: generation, Activation: facts.Activation{State: state, Ahead: ahead}}
}

func TestRemembered(t *testing.T) {
	old, current := of("/old", "current"), of("/new", "current")
	plain := of("", "none")
	pending := of("/new", "current")
	pending.Activation.Service = &facts.ActivationService{Generation: "/newer"}
	switched := remembered{{"after", 5, 1, current}, {"half", 6, 6, of("/old", "half-finished", "link")}, {"before", 60, 7, old}}
	packages, boot := minutesBefore(30), minutesBefore(40)
	cases := map[string]struct {
		from    remembered
		now     facts.Declared
		host    facts.Host
		changed int // minutes before noon; 0: not said
		want    string
		at      int
		refused string
	}{
		"a switch":                        {from: switched, now: current, want: "before", at: 7},
		"a switch back":                   {from: remembered{{"b", 5, 5, old}, {"a", 9, 9, current}}, now: current, want: "b", at: 5},
		"no audit since the switch":       {from: switched[2:], now: current, want: "before", at: 7},
		"only half an activation":         {from: switched[:2], now: current, refused: "is known to be from before the change"},
		"while the activation ran":        {from: remembered{{"a", 5, 5, of("/old", "running")}}, now: current, refused: "is known to be from before the change"},
		"a day ago":                       {from: remembered{{"a", 1500, 1500, old}}, now: current, refused: "no audit is remembered since"},
		"before the boot":                 {from: switched[2:], now: current, host: facts.Host{BootedAt: ptr(minutesBefore(3))}, refused: "no audit is remembered since"},
		"since the boot":                  {from: switched, now: current, host: facts.Host{BootedAt: &boot}, want: "before", at: 7},
		"the system alone":                {from: remembered{{"after", 29, 1, current}, {"before", 60, 31, current}}, now: current, host: facts.Host{PackagesAt: &packages}, want: "before", at: 31},
		"the system, and nothing differs": {from: remembered{{"same", 60, 1, current}}, now: current, host: facts.Host{PackagesAt: &packages}, want: "same", at: 60},
		"nothing changed":                 {from: remembered{{"a", 60, 1, current}}, now: current, refused: "is known to be from before the change"},
		"without Home Manager":            {from: remembered{{"a", 60, 1, plain}}, now: plain, refused: "is known to be from before the change"},
		"without, and it was said when":   {from: remembered{{"after", 5, 1, plain}, {"before", 60, 20, plain}}, now: plain, changed: 10, want: "before", at: 20},
		"it was said when":                {from: switched, now: current, changed: 10, want: "before", at: 60},
		"said, and there was none before": {from: switched, now: current, changed: 70, refused: "is known to be from before the change"},
		"the same for two days":           {from: remembered{{"same", 3000, 1, plain}}, now: plain, changed: 10, want: "same", at: 1440},
		"half of the switch is done":      {from: append(remembered{{"half", 1, 1, of("/new", "half-finished", "link")}}, switched...), now: of("/new", "half-finished", "link"), want: "after", at: 1},
		"the activation runs":             {from: switched, now: of("/new", "running"), want: "after", at: 1},
		"the system has another one":      {from: switched, now: pending, refused: "is not activated yet"},
		"nothing is remembered":           {now: current, refused: "no audit is remembered since"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			changed := time.Time{}
			if c.changed > 0 {
				changed = minutesBefore(c.changed)
			}
			got, err := Remembered(t.Context(), c.from, &facts.Document{CollectedAt: noon, Declared: &c.now, Host: &c.host}, changed)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) || !strings.Contains(err.Error(), "stackpolicy gate begin") {
					t.Errorf("got %v, want %q and what to do", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Host.Name != c.want || !got.CollectedAt.Equal(minutesBefore(c.at)) {
				t.Errorf("got %s of %s, want %s of %d minutes before noon", got.Host.Name, got.CollectedAt, c.want, c.at)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }
