package podman

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"stackpolicy/internal/podman/answer"
	"stackpolicy/internal/podman/transport"
)

// machine is a podman that a test changes between looks. A watch only lists and inspects.
type machine struct {
	transport.Source
	rows      string            // what its list tells
	documents map[string]string // what inspect tells, by id
	vanishing int               // how many inspections yet find a container vanished
	lists     int
	inspected []string // ids
}

func (m *machine) List(context.Context) ([]gjson.Result, error) {
	m.lists++
	return answer.Array([]byte(m.rows))
}

func (m *machine) Inspect(_ context.Context, ids []string, read func(gjson.Result) error) error {
	if m.vanishing > 0 {
		m.vanishing--
		return transport.ErrVanished
	}
	for _, id := range ids {
		m.inspected = append(m.inspected, id)
		if err := read(gjson.Parse(m.documents[id])); err != nil {
			return err
		}
	}
	return nil
}

// twoRunning has a web with a health check and a db without.
func twoRunning() *machine {
	return &machine{
		rows: `[{"Id":"aa","Names":["web"],"State":"running","Status":"Up 3 seconds (healthy)","Pid":71,"StartedAt":1000,"ExitCode":0},
			{"Id":"bb","Names":["db"],"State":"running","Status":"Up 3 seconds","Pid":72,"StartedAt":1000,"ExitCode":0}]`,
		documents: map[string]string{
			"aa": `{"Id":"aa","Name":"web","State":{"Status":"running","Health":{"Status":"healthy"}},"Config":{"Labels":{"k":"v"}}}`,
			"bb": `{"Id":"bb","Name":"db","State":{"Status":"running"}}`,
		},
	}
}

// watchAt is a watch of nobody, whose clock stands at a unix second.
func watchAt(second int64) *Watch {
	return &Watch{now: func() time.Time { return time.Unix(second, 0) }}
}

// look reads, and fails unless exactly the given ids were inspected for it.
func look(t *testing.T, w *Watch, m *machine, want ...string) []Container {
	t.Helper()
	m.inspected = nil
	got, err := w.read(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, m.inspected); diff != "" {
		t.Errorf("inspected (-want +got):\n%s", diff)
	}
	return got
}

func TestWatchInspectsWhatChanged(t *testing.T) {
	const row, document = "row", "document"
	tests := map[string]struct {
		edits [][3]string // where, old, new
		want  []string    // ids inspected
	}{
		"nothing":                 {nil, nil},
		"time passes":             {[][3]string{{row, "Up 3 seconds (h", "Up About a minute (h"}}, nil},
		"unhealthy":               {[][3]string{{row, "(healthy)", "(unhealthy)"}, {document, `"healthy"`, `"unhealthy"`}}, []string{"aa"}},
		"starting":                {[][3]string{{row, "(healthy)", "(starting)"}, {document, `"healthy"`, `"starting"`}}, []string{"aa"}},
		"a word yet to be coined": {[][3]string{{row, "(healthy)", "(odd)"}, {document, `"healthy"`, `"odd"`}}, []string{"aa"}},
		"the API's word":          {[][3]string{{row, "Up 3 seconds (healthy)", "unhealthy"}, {document, `"healthy"`, `"unhealthy"`}}, []string{"aa"}},
		"paused":                  {[][3]string{{row, `"running"`, `"paused"`}, {document, `"running"`, `"paused"`}}, []string{"aa"}},
		"restarted":               {[][3]string{{row, `"StartedAt":1000`, `"StartedAt":1001`}}, []string{"aa"}},
		"restarted in a second":   {[][3]string{{row, `"Pid":71`, `"Pid":75`}}, []string{"aa"}},
		"restarted, by count":     {[][3]string{{row, `"Pid":71`, `"Pid":71,"Restarts":1`}}, []string{"aa"}},
		"an earlier run's code":   {[][3]string{{row, `"ExitCode":0`, `"ExitCode":3`}}, []string{"aa"}},
		"an earlier run's end":    {[][3]string{{row, `"Pid":71`, `"Pid":71,"ExitedAt":999`}}, []string{"aa"}},
		"times as text":           {[][3]string{{row, `"StartedAt":1000`, `"StartedAt":"2026-11-22T20:00:00Z"`}}, []string{"aa"}},
		"renamed":                 {[][3]string{{row, `["web"]`, `["web2"]`}, {document, `"web"`, `"web2"`}}, []string{"aa"}},
		"made anew":               {[][3]string{{row, `"Id":"aa"`, `"Id":"cc"`}, {document, `"aa"`, `"cc"`}}, []string{"cc"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			watch, podman := watchAt(5000), twoRunning()
			look(t, watch, podman, "aa", "bb")
			for _, edit := range test.edits {
				podman.edit(edit[0] == row, edit[1], edit[2])
			}
			got := look(t, watch, podman, test.want...)
			fresh := look(t, watchAt(5000), podman, podman.ids()...)
			if diff := cmp.Diff(fresh, got); diff != "" {
				t.Errorf("containers, against a watch that has seen nothing (-want +got):\n%s", diff)
			}
			look(t, watch, podman)
		})
	}
}

// edit changes the first match in the list, or in what inspect tells of aa.
func (m *machine) edit(row bool, before, after string) {
	if row {
		m.rows = strings.Replace(m.rows, before, after, 1)
		return
	}
	changed := strings.Replace(m.documents["aa"], before, after, 1)
	delete(m.documents, "aa")
	m.documents[gjson.Get(changed, "Id").Str] = changed
}

func (m *machine) ids() (ids []string) {
	for _, id := range gjson.Get(m.rows, "#.Id").Array() {
		ids = append(ids, id.Str)
	}
	return ids
}

func TestWatchForgetsWhatIsGone(t *testing.T) {
	watch, podman := watchAt(5000), twoRunning()
	both := look(t, watch, podman, "aa", "bb")
	rows := podman.rows
	podman.rows = `[]`
	if got := look(t, watch, podman); len(got) != 0 {
		t.Errorf("got %+v, want none", got)
	}
	podman.rows = rows
	if diff := cmp.Diff(both, look(t, watch, podman, "aa", "bb")); diff != "" {
		t.Errorf("containers that came back (-want +got):\n%s", diff)
	}
}

// What changes between a listing and its inspection and back again leaves the
// same row, and must not leave what was inspected.
func TestWatchSeesAFlapDuringInspection(t *testing.T) {
	for name, edit := range map[string][2]string{
		"health": {`"healthy"`, `"unhealthy"`},
		"state":  {`"running"`, `"paused"`},
		"name":   {`"web"`, `"other"`},
	} {
		t.Run(name, func(t *testing.T) {
			watch, podman := watchAt(5000), twoRunning()
			podman.edit(false, edit[0], edit[1])
			look(t, watch, podman, "aa", "bb")
			podman.edit(false, edit[1], edit[0])
			got := look(t, watch, podman, "aa")
			if web := got[1]; web.Name != "web" || web.State != "running" || web.Health != "healthy" {
				t.Errorf("got %+v, want a web that is running and healthy", web)
			}
			look(t, watch, podman)
		})
	}
}

// Without a process and a restart count, two runs within one second look alike.
func TestWatchDistrustsTheSecondThatIsNotOver(t *testing.T) {
	stopped := func(restarts int) *machine {
		return &machine{
			rows: `[{"Id":"aa","Names":["job"],"State":"exited","Status":"Exited (1) 0 seconds ago","Pid":0,"StartedAt":1000,"ExitedAt":1001,"ExitCode":1}]`,
			documents: map[string]string{
				"aa": fmt.Sprintf(`{"Id":"aa","Name":"job","RestartCount":%d,"State":{"Status":"exited","ExitCode":1}}`, restarts),
			},
		}
	}
	watch := watchAt(1001)
	look(t, watch, stopped(1), "aa")
	watch.now = watchAt(1002).now
	if got := look(t, watch, stopped(2), "aa"); got[0].Restarts != 2 {
		t.Errorf("got %d restarts, want 2", got[0].Restarts)
	}
	look(t, watch, stopped(2))
}

func TestWatchTrustsWhatNeverRan(t *testing.T) {
	podman := &machine{
		rows:      `[{"Id":"aa","Names":["new"],"State":"created","Status":"Created","Pid":0,"StartedAt":-62135596800,"ExitedAt":-62135596800}]`,
		documents: map[string]string{"aa": `{"Id":"aa","Name":"new","State":{"Status":"created","Health":{"Status":"starting"}}}`},
	}
	watch := watchAt(5000)
	look(t, watch, podman, "aa")
	look(t, watch, podman)
}

func TestWatchBeginsAgain(t *testing.T) {
	watch, podman := watchAt(5000), twoRunning()
	podman.vanishing = attempts - 1
	if got := look(t, watch, podman, "aa", "bb"); len(got) != 2 || podman.lists != attempts {
		t.Errorf("got %d containers after %d lists, want 2 after %d", len(got), podman.lists, attempts)
	}
	podman.vanishing, podman.rows = attempts, strings.Replace(podman.rows, `"Pid":71`, `"Pid":75`, 1)
	if got, err := watch.read(t.Context(), podman); !errors.Is(err, transport.ErrVanished) || got != nil {
		t.Errorf("got %+v, error %v, want an error alone", got, err)
	}
	look(t, watch, podman, "aa") // what is as before the error was not forgotten
}

func TestWatchSharesNothing(t *testing.T) {
	watch, podman := watchAt(5000), twoRunning()
	for range 3 {
		got, err := watch.read(t.Context(), podman)
		if err != nil || got[1].Labels["k"] != "v" {
			t.Fatalf("got labels %v, error %v; want those of the image", got[1].Labels, err)
		}
		got[1].Labels["k"] = "changed by a caller"
	}
}

// TestWatchCalls counts what looks cost, by both ways.
func TestWatchCalls(t *testing.T) {
	const looks = 5
	for _, version := range []string{"4.3", "5.4"} {
		t.Run("command "+version, func(t *testing.T) {
			samples, err := filepath.Abs("testdata")
			if err != nil {
				t.Fatal(err)
			}
			client := fake(t, `echo $verb >>$dir/calls; cat `+samples+`/$verb-`+version+`.json`)
			watch := client.Watch()
			watch.now = func() time.Time { return at("2026-11-22T21:00:00Z") }
			sameLooks(t, client, watch, looks)
			want := "ps\ninspect\n" + strings.Repeat("ps\n", looks-1) + "ps\ninspect\n" // the last two are the client's own
			if diff := cmp.Diff(want, written(t, client, "calls")); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWatchCallsBySocket(t *testing.T) {
	const looks = 5
	calls := make(chan string, 100)
	podman := answers{
		list:    `[{"Id":"aa","Names":["web"],"State":"running","Status":"healthy","Pid":7,"StartedAt":1000}]`,
		inspect: map[string]string{"aa": `{"Id":"aa","Name":"web","State":{"Status":"running","Health":{"Status":"healthy"}}}`},
	}
	client := Client{Socket: listen(t, func(w http.ResponseWriter, r *http.Request) {
		calls <- idOf(r)
		podman.ServeHTTP(w, r)
	})}
	sameLooks(t, client, client.Watch(), looks)
	close(calls)
	count := map[string]int{}
	for id := range calls {
		count[id]++
	}
	want := map[string]int{"json": looks + 1, "aa": 2} // one of each is the client's own
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// sameLooks looks so many times, and compares each with the client's own look.
func sameLooks(t *testing.T, client Client, watch *Watch, looks int) {
	t.Helper()
	var all []Listing
	for range looks {
		got, err := watch.Containers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, got)
	}
	want, err := client.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range all {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("look %d (-client +watch):\n%s", i+1, diff)
		}
	}
}

// A row says the same by either way, so a socket that falls silent costs nothing.
func TestWatchChangesItsWay(t *testing.T) {
	const row = `"Id":"aa","Names":["web"],"State":"running","Pid":7,"StartedAt":1000`
	const document = `{"Id":"aa","Name":"web","State":{"Status":"running","Health":{"Status":"healthy"}}}`
	client := fake(t, `echo $verb >>$dir/calls; echo '[{`+row+`,"Status":"Up 2 hours (healthy)"}]'`)
	client.Socket = answers{list: `[{` + row + `,"Status":"healthy"}]`, inspect: map[string]string{"aa": document}}.listen(t)
	watch := client.Watch()
	first, err := watch.Containers(t.Context())
	if err != nil || first.Transport != "socket" {
		t.Fatalf("got %+v, error %v", first, err)
	}
	watch.client.Socket = staleSocket(t)
	second, err := watch.Containers(t.Context())
	if err != nil || second.Transport != "command" {
		t.Fatalf("got %+v, error %v", second, err)
	}
	if diff := cmp.Diff(first.Containers, second.Containers); diff != "" {
		t.Errorf("containers (-socket +command):\n%s", diff)
	}
	if diff := cmp.Diff("ps\n", written(t, client, "calls")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestWatchOfNothing(t *testing.T) {
	watch := Client{}.Watch()
	for range 2 {
		if got, err := watch.Containers(t.Context()); err != nil || got.Present {
			t.Errorf("got %+v, error %v; want podman that is not installed", got, err)
		}
	}
}
