package explain

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"stackpolicy/facts"
	"stackpolicy/finding"
)

func TestMasked(t *testing.T) {
	for line, want := range map[string]string{
		"2026-03-01 02:00:00 Started web.":              "2026-03-01 02:00:00 Started web.",
		"env DB_PASSWORD=hunter2 ok":                    "env DB_PASSWORD=(masked) ok",
		`{"api_key": "abc def", "user": "ada"}`:         `{"api_key": (masked), "user": "ada"}`,
		"login with token: abc, then":                   "login with token: (masked), then",
		"curl -H 'Authorization: Bearer abc.def' x":     "curl -H 'Authorization: (masked)' x",
		"get postgres://ada:hunter2@db:5432/app?x=1":    "get postgres://(masked)@db:5432/app?x=1",
		"https://example.org/path?secret=abc&page=2":    "https://example.org/path?secret=(masked)&page=2",
		"the token has expired":                         "the token has expired",
		"tokens left: 3":                                "tokens left: 3",
		"mail to ada@example.org from https://db/x@1.2": "mail to ada@example.org from https://db/x@1.2",
	} {
		if got := masked(line); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

func TestReadLogs(t *testing.T) {
	doc := &facts.Document{Units: []facts.Unit{{Name: "web.service", Containers: []facts.Container{
		{ID: "a1", Name: "web-app", Service: "app", State: "exited", ExitCode: 1},
		{ID: "b1", Name: "web-db", Service: "db", State: "running", Health: "unhealthy"},
		{ID: "c1", Name: "web-migrate", Service: "migrate", State: "exited"},
		{ID: "d1", Name: "web-infra", Infra: true, State: "exited", ExitCode: 1},
	}}}}
	about := func(subject, invariant string, effect finding.Effect, evidence ...string) Explanation {
		d := finding.Finding{Subject: subject, Invariant: invariant, Effect: effect, Evidence: map[string]any{}}
		for i := 0; i < len(evidence); i += 2 {
			d.Evidence[evidence[i]] = evidence[i+1]
		}
		return Explanation{Decision: d}
	}
	cases := map[string]struct {
		list []Explanation
		want [][]string // of which logs are read, for each explanation
	}{
		"a container":          {[]Explanation{about("web.service", "stack_running", "block", "container", "web-db")}, [][]string{{"web.service", "container web-db"}}},
		"a service":            {[]Explanation{about("web.service", "stack_running", "block", "service", "app")}, [][]string{{"web.service", "container web-app"}}},
		"a service with none":  {[]Explanation{about("web.service", "stack_running", "block", "service", "x")}, [][]string{{"web.service"}}},
		"failed":               {[]Explanation{about("web.service", "unit_not_failed", "block")}, [][]string{{"web.service", "container web-app", "container web-db"}}},
		"about a file":         {[]Explanation{about("web.service", "file_declared", "block", "path", "/a")}, [][]string{{"web.service"}}},
		"each log once":        {[]Explanation{about("web.service", "a", "block", "service", "app"), about("web.service", "b", "block", "service", "app")}, [][]string{{"web.service", "container web-app"}, nil}},
		"nothing is wrong":     {[]Explanation{about("web.service", "a", "allow")}, [][]string{nil}},
		"the host":             {[]Explanation{about("host", "a", "block")}, [][]string{nil}},
		"a unit without facts": {[]Explanation{about("gone.service", "a", "block")}, [][]string{{"gone.service"}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			answer := func(_ context.Context, of string, _ int) ([]string, error) { return []string{of}, nil }
			ReadLogs(t.Context(), c.list, doc, answer, answer)
			for i, e := range c.list {
				var got []string
				for _, l := range e.Logs {
					got = append(got, l.Of)
				}
				if !reflect.DeepEqual(got, c.want[i]) {
					t.Errorf("got %q, want %q", got, c.want[i])
				}
			}
		})
	}
	list := []Explanation{about("web.service", "a", "block", "service", "app")}
	many := func(context.Context, string, int) (lines []string, _ error) {
		for i := range 50 {
			lines = append(lines, fmt.Sprint(i, " password=x ", strings.Repeat("é", 1000)))
		}
		return lines, nil
	}
	ReadLogs(t.Context(), list, doc, many, func(_ context.Context, id string, _ int) ([]string, error) { return nil, errors.New("no " + id) })
	l := list[0].Logs
	if len(l[0].Lines) != logLines || !strings.HasPrefix(l[0].Lines[9], "49 password=(masked) é") || len([]rune(l[0].Lines[9])) != maxLine {
		t.Errorf("got %q", l[0].Lines)
	}
	if l[1].Error != "no a1" {
		t.Errorf("a container is read by its id: %+v", l[1])
	}
}
