package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	known := []string{"auto_update", "pod"}
	for name, test := range map[string]struct {
		args string
		want selection
		err  string
	}{
		"all":         {"", selection{suites, known, 3}, ""},
		"one release": {"bookworm", selection{[]string{"bookworm"}, known, 3}, ""},
		"both kinds":  {"-parallel=1 pod trixie", selection{[]string{"trixie"}, []string{"pod"}, 1}, ""},
		"unknown":     {"trixy", selection{}, `no release or scenario "trixy"; known: trixie, bookworm, auto_update, pod`},
		"no machine":  {"-parallel=0", selection{}, "at least one machine"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parse(strings.Fields(test.args), known, io.Discard)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
				return
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(selection{})); err != nil || diff != "" {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// events are of a run in which one scenario passed, one failed, and one never
// ended.
const events = `{"Action":"build-output","ImportPath":"stackpolicy/stack","Output":"a warning\n"}
{"Action":"run","Test":"TestMatrix/trixie/pod"}
{"Action":"output","Test":"TestMatrix/trixie/pod","Output":"a quiet success\n"}
{"Action":"pass","Test":"TestMatrix/trixie/pod","Elapsed":2.5}
{"Action":"output","Test":"TestMatrix/bookworm/pod","Output":"what went wrong\n"}
{"Action":"fail","Test":"TestMatrix/bookworm/pod","Elapsed":4}
{"Action":"run","Test":"TestMatrix/bookworm/auto_update"}
not JSON
{"Action":"fail","Test":"TestMatrix","Elapsed":9}
`

func TestResults(t *testing.T) {
	var log strings.Builder
	got, err := read(strings.NewReader(events), &log)
	if err != nil {
		t.Fatal(err)
	}
	want := results{
		{"trixie", "pod"}:   {"pass", 2500 * time.Millisecond},
		{"bookworm", "pod"}: {"fail", 4 * time.Second},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantLog := "a warning\npass trixie/pod (2.5 s)\nwhat went wrong\nfail bookworm/pod (4.0 s)\nnot JSON\n"
	if diff := cmp.Diff(wantLog, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	s := selection{suites: []string{"trixie", "bookworm"}, scenarios: []string{"auto_update", "pod"}}
	if err := got.verdict(s); err == nil || err.Error() != "1 failed, 2 did not run" {
		t.Errorf("verdict: %v", err)
	}
	wantTable := `scenario     trixie       bookworm
auto_update  did not run  did not run
pod          2.5 s        FAILED after 4.0 s

1 of 4 passed in 9.0 s
`
	if diff := cmp.Diff(wantTable, table(s, got, 9*time.Second)); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestVerdictOfASuccess(t *testing.T) {
	s := selection{suites: []string{"trixie"}, scenarios: []string{"pod"}}
	if err := (results{{"trixie", "pod"}: {action: "pass"}}).verdict(s); err != nil {
		t.Error(err)
	}
}
