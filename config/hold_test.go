package config

import (
	"strings"
	"testing"
	"time"
)

func TestHolds(t *testing.T) {
	const good = `reason: new disk, owner: ada, until: "2026-12-24T18:00:00+01:00"`
	for name, c := range map[string]struct{ holds, err string }{
		"one":               {"{unit: web.service, " + good + "}", ""},
		"no name of a unit": {"{unit: web, " + good + "}", `holds.0.unit: "web" is no unit name; write one such as web.service`},
		"a pattern":         {"{unit: '*.service', " + good + "}", "holds.0.unit"},
		"twice":             {"{unit: web.service, " + good + "}, {unit: web.service, " + good + "}", "holds.1.unit: web.service is held already"},
		"no reason":         {`{unit: web.service, owner: ada, until: "2026-12-24T18:00:00Z"}`, "holds.0.reason: want one line of 1 to 200 characters"},
		"a long owner":      {`{unit: web.service, reason: x, owner: ` + strings.Repeat("a", 201) + `, until: "2026-12-24T18:00:00Z"}`, "holds.0.owner"},
		"no end":            {"{unit: web.service, reason: x, owner: ada}", `holds.0.until: "" is not a time with a zone; want for example 2026-12-24T18:00:00Z`},
		"a duration":        {"{unit: web.service, reason: x, owner: ada, until: 2d}", "which is 2d from now"},
		"an unknown key":    {"{unit: web.service, for: 2d, " + good + "}", `unknown key "for"; known: unit, reason, owner, until`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parse([]byte("holds: [" + c.holds + "]\n"))
			switch {
			case c.err == "" && err == nil:
				if end := got.Holds[0].End(); !end.Equal(time.Date(2026, 12, 24, 17, 0, 0, 0, time.UTC)) {
					t.Errorf("it ends at %s", end)
				}
			case c.err == "" || err == nil || !strings.Contains(err.Error(), c.err):
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}
