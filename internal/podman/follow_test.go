package podman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// eventful is a socket and a command that answer the question for the events. The script and
// the handler give the events.
func eventful(t *testing.T, script string, handle http.HandlerFunc) map[string]Client {
	t.Helper()
	const info = `{"host":{"eventLogger":"journald"}}`
	return map[string]Client{
		"command": fake(t, `[ $verb = info ] && { echo '`+info+`'; exit; }; `+script),
		"socket": {Socket: listen(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/info") {
				_, _ = io.WriteString(w, info)
				return
			}
			handle(w, r)
		})},
	}
}

// lasting answers with lines, and then with nothing more.
func lasting(t *testing.T, lines string) map[string]Client {
	t.Helper()
	return eventful(t, "cat <<'END'\n"+lines+"\nEND\nexec sleep 60", func(w http.ResponseWriter, r *http.Request) {
		startAnswer(w, lines+"\n")
		hang(w, r)
	})
}

func TestFollowEvents(t *testing.T) {
	health := func(status string) string {
		return `{"ID":"ab","Name":"web","Status":"health_status","Type":"container","health_status":"` + status + `"}`
	}
	api := func(kind, action, more string) string {
		return `{"Type":"` + kind + `","Action":"` + action + `","Actor":{"ID":"ab","Attributes":{"name":"web"` + more + `}}`
	}
	died := func(code string) string {
		return api("container", "exec_died", `,"containerExitCode":"`+code+`"`) + "}"
	}
	for name, tc := range map[string]struct {
		lines []string
		want  string // c for a container, i for an image
	}{
		"containers":           {[]string{`{"ID":"ab","Status":"create","Type":"container"}`, api("container", "start", "") + "}", api("pod", "remove", "") + "}"}, "ccc"},
		"images":               {[]string{`{"Status":"pull","Type":"image"}`, api("image", "tag", "") + "}"}, "ii"},
		"an unknown action":    {[]string{api("container", "teleport", "") + "}", api("moon", "rise", "") + "}", `{}`}, "ccc"},
		"commands inside":      {[]string{api("container", "exec", "") + "}", `{"ID":"ab","Status":"exec_start","Type":"container"}`}, ""},
		"the same health":      {[]string{health("healthy"), health("healthy"), health("unhealthy"), health("unhealthy"), health("healthy")}, "ccc"},
		"the API's health":     {[]string{api("container", "health_status", "") + `,"HealthStatus":"healthy"}`, api("container", "health_status", "") + `,"HealthStatus":"healthy"}`, api("container", "health_status", "") + `,"HealthStatus":"unhealthy"}`}, "cc"},
		"checks before 5":      {[]string{died("0"), died("0"), died("1"), died("1"), died("0"), died("0")}, "cccc"},
		"made again":           {[]string{health("healthy"), `{"ID":"ab","Status":"remove","Type":"container"}`, health("healthy")}, "ccc"},
		"of another container": {[]string{health("healthy"), strings.ReplaceAll(health("healthy"), "ab", "cd"), health("healthy")}, "cc"},
	} {
		for way, client := range lasting(t, strings.Join(append(tc.lines, `{"Status":"tag","Type":"image","Name":"last"}`), "\n\n")) {
			got, isReady := "", false
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			err := client.Follow(ctx, func() { isReady = true }, func(image bool) {
				if !isReady {
					t.Error("an event came before ready")
				}
				got += map[bool]string{true: "i", false: "c"}[image]
				if got == tc.want+"i" {
					cancel()
				}
			})
			if got != tc.want+"i" || !errors.Is(err, context.Canceled) {
				t.Errorf("%s by %s: %q, %v; want %q", name, way, got, err, tc.want+"i")
			}
			cancel()
		}
	}
}

func TestFollowQuestion(t *testing.T) {
	q := eventsSince(time.Unix(100, 5))
	if want := []string{"events", "--format", "json", "--since", "100"}; !slices.Equal(q.Args, want) || q.Path != "events?since=100&stream=true" {
		t.Errorf("%q", q)
	}
}

// TestFollowEnds: with what is wrong, and never with nil.
func TestFollowEnds(t *testing.T) {
	long := strings.Repeat(" ", 1<<20+1)
	for name, tc := range map[string]struct {
		script string
		handle http.HandlerFunc
		want   string
	}{
		"at once":       {`exit 0`, func(http.ResponseWriter, *http.Request) {}, "podman ended the answer"},
		"with an error": {`echo 'Error: journal \033' >&2; exit 125`, onStatus(500, `{"message":"journal \u001b"}`), `journal \`},
		"says a lot":    {`yes 'much ado' | head -n 100000 >&2; exit 1`, onStatus(500, strings.Repeat("x", 1<<20)), ""},
		"garbage":       {`echo oops; exec sleep 60`, func(w http.ResponseWriter, r *http.Request) { startAnswer(w, "oops\n"); hang(w, r) }, "malformed JSON"},
		"a cut line":    {`printf '{"Status":'`, cutTransfer, ""},
		"a long line": {`head -c 2000000 /dev/zero; exec sleep 60`,
			func(w http.ResponseWriter, r *http.Request) { startAnswer(w, long); hang(w, r) }, "a line is longer than 1048576 bytes"},
		"killed": {`kill -9 $$`, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""},
	} {
		for way, client := range eventful(t, tc.script, tc.handle) {
			t.Run(name+" by "+way, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				err := client.Follow(ctx, func() {}, func(bool) { t.Error("an event came") })
				wantError(t, err, tc.want)
				if ctx.Err() != nil || len(err.Error()) > 8<<10 {
					t.Errorf("%.300v", err)
				}
			})
		}
	}
}

// TestFollowSilence: silence ends with the context, with all that was started.
func TestFollowSilence(t *testing.T) {
	for way, client := range eventful(t, `sleep 60 & echo $! >$dir/pid; wait`, hang) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		begun := time.Now()
		err := client.Follow(ctx, func() {}, func(bool) {})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 3*time.Second {
			t.Errorf("%s: %v after %v", way, err, time.Since(begun))
		}
		if way == "command" {
			waitGone(t, client, "pid")
		}
	}
}

// TestFollowFlood: 100,000 events of as many containers cost no memory that stays.
func TestFollowFlood(t *testing.T) {
	const many = 100_000
	script := fmt.Sprintf(`seq -f '{"ID":"%%.0f","Type":"container","Status":"health_status","health_status":"healthy"}' %d`, many)
	for way, client := range eventful(t, script, func(w http.ResponseWriter, _ *http.Request) {
		for i := range many {
			fmt.Fprintf(w, `{"Type":"container","Action":"health_status","Actor":{"ID":"%d"},"HealthStatus":"healthy"}`+"\n", i)
		}
	}) {
		calls := 0
		err := client.Follow(t.Context(), func() {}, func(bool) { calls++ })
		wantError(t, err, "podman ended the answer")
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		if calls != many || m.HeapAlloc > 30<<20 {
			t.Errorf("%s: %d calls, %d MiB", way, calls, m.HeapAlloc>>20)
		}
	}
}

func TestFollowedHealthsAreBounded(t *testing.T) {
	seen := healths{}
	for i := range 2*maxHealths + 5 {
		of := fmt.Sprintf(`{"ID":"%d","Type":"container","Status":"health_status","health_status":"healthy"}`, i)
		if !seen.isChange(gjson.Parse(of)) || seen.isChange(gjson.Parse(of)) || len(seen) > maxHealths {
			t.Fatalf("container %d: %d are remembered", i, len(seen))
		}
	}
}

func TestFollowCannot(t *testing.T) {
	none := `echo '{"host":{"eventLogger":"none"}}'`
	for name, tc := range map[string]struct {
		client Client
		want   error
	}{
		"not installed":           {Client{Socket: filepath.Join(t.TempDir(), "s")}, ErrAbsent},
		"no events":               {fake(t, none), ErrNoEvents},
		"no events by the socket": {Client{Socket: listen(t, onStatus(200, `{"host":{"eventLogger":"none"}}`))}, ErrNoEvents},
		"broken":                  {fake(t, `exit 3`), nil},
	} {
		err := tc.client.Follow(t.Context(), func() { t.Errorf("%s: ready", name) }, func(bool) {})
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}
