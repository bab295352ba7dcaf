package podman

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
)

func TestHealthLogOfSamples(t *testing.T) {
	want := map[string]map[string][]HealthRun{
		"4.3": {
			"stack_db_1":   {{Start: at("2026-11-22T20:36:09.69324264Z"), End: at("2026-11-22T20:36:09.762306815Z")}},
			"stack_once_1": nil,
			"stack_web_1":  {{Start: at("2026-11-22T20:36:09.750165623Z"), End: at("2026-11-22T20:36:09.819712031Z"), ExitCode: 1}},
		},
		"5.4": {
			"stack_db_1":   {{Start: at("2026-11-22T20:28:05.361639034Z"), End: at("2026-11-22T20:28:05.437465422Z")}},
			"stack_once_1": nil,
			"stack_web_1":  {{Start: at("2026-11-22T20:28:05.355657303Z"), End: at("2026-11-22T20:28:05.417415882Z"), ExitCode: 1}},
		},
	}
	for version, logs := range want {
		t.Run(version, func(t *testing.T) {
			got := map[string][]HealthRun{}
			for _, document := range gjson.ParseBytes(fixture(t, "inspect-"+version+".json")).Array() {
				runs, err := parseHealthLog(document, document.Get("Id").Str)
				if err != nil {
					t.Fatal(err)
				}
				got[document.Get("Name").Str] = runs
			}
			if diff := cmp.Diff(logs, got); diff != "" {
				t.Errorf("health logs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHealthLogOddities(t *testing.T) {
	tests := map[string]struct {
		state string
		want  []HealthRun
	}{
		"no state":           {`{}`, nil},
		"no log":             {`{"Health":{"Status":"starting"}}`, nil},
		"null":               {`{"Health":{"Status":"","Log":null}}`, nil},
		"under its old name": {`{"Healthcheck":{"Status":"healthy","Log":[{"ExitCode":2}]}}`, []HealthRun{{ExitCode: 2}}},
		"hostile output":     {`{"Health":{"Status":"healthy","Log":[{"Output":"\u001b[2J\n\u0000"}]}}`, []HealthRun{{Output: "\x1b[2J\n\x00"}}},
		"in order": {`{"Health":{"Status":"healthy","Log":[{"ExitCode":1},{"ExitCode":0}]}}`,
			[]HealthRun{{ExitCode: 1}, {}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseHealthLog(gjson.Parse(`{"Id":"aa","State":`+test.state+`}`), "aa")
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("error %v, runs (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestHealthLogIsBounded(t *testing.T) {
	var entries []string
	for i := range 3 * maxRuns {
		entries = append(entries, fmt.Sprintf(`{"ExitCode":%d}`, i))
	}
	log := `{"Id":"aa","State":{"Health":{"Status":"healthy","Log":[` + strings.Join(entries, ",") + `]}}}`
	got, err := parseHealthLog(gjson.Parse(log), "aa")
	if err != nil || len(got) != maxRuns || got[maxRuns-1].ExitCode != 3*maxRuns-1 {
		t.Errorf("got %d runs, error %v; want the last %d", len(got), err, maxRuns)
	}
}

const sickDocument = `{"Id":"aa","State":{"Health":{"Status":"unhealthy","Log":[{"ExitCode":1,"Output":"refused"}]}}}`

func TestHealthLog(t *testing.T) {
	want := []HealthRun{{ExitCode: 1, Output: "refused"}}
	command := fake(t, `echo "$verb $*" >>$dir/calls; echo '[`+sickDocument+`]'`)
	socket := Client{Socket: answers{inspect: map[string]string{"aa": sickDocument}}.listen(t)}
	fallen := command
	fallen.Socket = staleSocket(t)
	for name, client := range map[string]Client{"command": command, "socket": socket, "socket silent": fallen} {
		got, err := client.HealthLog(t.Context(), "aa")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("by %s: error %v, runs (-want +got):\n%s", name, err, diff)
		}
	}
	calls := strings.Repeat("inspect --type container aa\n", 2)
	if diff := cmp.Diff(calls, written(t, command, "calls")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestHealthLogRefuses(t *testing.T) {
	sound := answers{inspect: map[string]string{"aa": sickDocument, "bb": sickDocument, "cc": `?`,
		"dd": `{"Id":"dd","State":{"Health":{"Status":"x","Log":[{"Start":"yesterday"}]}}}`}}
	socket := Client{Socket: sound.listen(t)}
	tests := map[string]struct {
		client Client
		id     string
		want   string
	}{
		"not installed":    {Client{}, "aa", "not installed"},
		"an option":        {socket, "--latest", "not hexadecimal"},
		"no id":            {socket, "", "not hexadecimal"},
		"gone, by socket":  {socket, "ee", "no such container"},
		"gone, by command": {fake(t, `echo 'no such container ee' >&2; echo '[]'; exit 125`), "ee", "no such container"},
		"about another":    {socket, "bb", `the answer is about container "aa"`},
		"garbage":          {socket, "cc", "malformed JSON"},
		"bad time":         {socket, "dd", "run 1 of 1: Start"},
		"none":             {fake(t, `echo '[]'`), "aa", "asked for one container, got 0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := test.client.HealthLog(t.Context(), test.id)
			wantError(t, err, test.want)
			if got != nil {
				t.Errorf("got %+v beside the error", got)
			}
		})
	}
}

// TestCheck: settings and the end of the last check are read where there is a
// check; podman 4.3 writes a status of "" where there is none.
func TestCheck(t *testing.T) {
	const settings = `"Config":{"Healthcheck":{"Test":["CMD","true"],"Interval":30000000000,"Timeout":5000000000,"StartPeriod":60000000000,"Retries":3}}`
	const log = `"Log":[{"Start":"2026-11-22T20:00:00Z","End":"2026-11-22T20:00:01Z"},{"Start":"2026-11-22T20:00:30Z","End":"2026-11-22T21:00:31+01:00"}]`
	full := Check{Interval: 30 * time.Second, Timeout: 5 * time.Second, StartPeriod: time.Minute, Retries: 3}
	checked := full
	checked.LastRun = time.Date(2026, 11, 22, 20, 0, 31, 0, time.UTC)
	for name, c := range map[string]struct {
		document string
		want     *Check
	}{
		"checked":           {`{` + settings + `,"State":{"Health":{"Status":"healthy",` + log + `}}}`, &checked},
		"not checked yet":   {`{` + settings + `,"State":{"Health":{"Status":"starting","Log":null}}}`, &full},
		"no check":          {`{"State":{"Health":{"Status":""}}}`, nil},
		"a status of none":  {`{` + settings + `,"State":{"Health":{"Status":""}}}`, nil},
		"a log of nonsense": {`{` + settings + `,"State":{"Health":{"Status":"healthy","Log":[{"End":"soon"}]}}}`, &full},
	} {
		got := check(gjson.Parse(c.document))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}
