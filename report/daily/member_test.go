package daily

import (
	"strings"
	"testing"
	"time"

	"stackpolicy/fleet"
	"stackpolicy/fleet/spool"
	"stackpolicy/history"
)

// TestMember: status says of a member what the hub has, what waits since when, and what to do if
// the hub is away for long; the JSON has the same advice.
func TestMember(t *testing.T) {
	now := today.Add(14 * time.Hour)
	enrolled, minutes := now.Add(-30*24*time.Hour), func(n int) time.Time { return now.Add(time.Duration(-n) * time.Minute) }
	const who = "member of home as web ada, at hub.example.org:4222. "
	cases := map[string]struct {
		w       spool.Waiting
		problem string
		audited time.Time
		want    string
		advice  bool
	}{
		"all is sent": {
			spool.Waiting{Confirmed: minutes(3), Reached: minutes(3), Unconfirmed: 1}, "", minutes(1),
			who + "The hub confirmed what it has at 13:57 (3 min ago). Nothing waits to be sent.", false,
		},
		"some wait": {
			spool.Waiting{Confirmed: minutes(14), Reached: minutes(12), Audits: 2, Since: minutes(12)}, "", minutes(1),
			who + "The hub confirmed what it has at 13:46 (14 min ago). 2 audits wait since 13:48 to be sent.", false,
		},
		"away for long": {
			spool.Waiting{Confirmed: minutes(200), Reached: minutes(190), Audits: 31, Since: minutes(189), Unsent: 1}, "", minutes(1),
			"31 audits wait since 10:51 to be sent. The hub was not reached for 3 h 10 min: `systemctl --user status stackpolicy-alerts.service` says why.", true,
		},
		"never reached": {
			spool.Waiting{Audits: 1, Since: minutes(5)}, "", minutes(1),
			who + "The hub has confirmed nothing yet. 1 audit waits since 13:55 to be sent. The hub was not reached for 30 d: ", true,
		},
		"its archive does not run": {
			spool.Waiting{Confirmed: minutes(200), Reached: minutes(4), Unconfirmed: 9}, "", minutes(1),
			"Nothing waits to be sent. The hub takes what is sent, but confirmed nothing for 3 h 20 min: see on the hub whether its archive runs", true,
		},
		"only an envelope waits": {
			spool.Waiting{Confirmed: minutes(9), Reached: minutes(9), Unsent: 1}, "", minutes(1), "1 envelope waits to be sent.", false,
		},
		// Where no audits run the hub is not at fault.
		"no audits": {
			spool.Waiting{Confirmed: minutes(600), Reached: minutes(600)}, "", minutes(600),
			who + "The hub confirmed what it has at 04:00 (10 h ago). Nothing waits to be sent.", false,
		},
		"damaged": {spool.Waiting{}, "read what waits\nit is \x1b[2J damaged", minutes(1), who + `It is not known what waits: read what waits; it is \x1b[2J damaged`, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := &Member{
				Source: fleet.Source{Org: "home", Host: "web", User: "ada"}, Hub: []string{"hub.example.org:4222", "10.0.0.1:4222"}, Enrolled: enrolled, Waiting: c.w, Problem: c.problem,
			}
			st := Status{Now: now, Member: m, LastAudit: &history.AuditSpan{From: c.audited, To: c.audited, Count: 1, Mode: "observe"}}
			var out, program strings.Builder
			if err := WriteStatus(&out, st); err != nil {
				t.Fatal(err)
			}
			_, line, _ := strings.Cut(out.String(), "\n\nfleet: ")
			if line = strings.Join(strings.Fields(line), " "); !strings.Contains(line, c.want) || !c.advice && !strings.HasSuffix(line, c.want) {
				t.Errorf("it says\n%s\nwant\n%s", line, c.want)
			}
			if err := WriteStatusJSON(&program, st); err != nil {
				t.Fatal(err)
			}
			if has := !strings.Contains(program.String(), `"advice": ""`); has != c.advice {
				t.Errorf("advice is %t, want %t:\n%s", has, c.advice, &program)
			}
		})
	}
}

// TestMemberThatCannotBeRead: the verdict is that of the audit, whatever is known of the fleet.
func TestMemberThatCannotBeRead(t *testing.T) {
	st := Status{Now: today, LastAudit: &history.AuditSpan{From: today, To: today, Count: 1, Mode: "observe"}, Member: &Member{Problem: "read fleet.json: no"}}
	var out strings.Builder
	if err := WriteStatus(&out, st); err != nil || !strings.Contains(out.String(), "\nfleet: It is not known what waits: read fleet.json: no\n") || st.ExitCode() != 0 {
		t.Errorf("%v, exit status %d\n%s", err, st.ExitCode(), &out)
	}
}
