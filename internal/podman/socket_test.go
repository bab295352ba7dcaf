package podman

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const goneAnswer = `{"cause":"no such container","message":"no container with name or ID \"bb\" found: no such container","response":404}`

func TestSocket(t *testing.T) {
	server := answers{list: `[{"Id":"cc"},{"Id":"aa"},{"Id":"bb"}]`, inspect: map[string]string{
		"aa": `{"Id":"aa","Name":"web","State":{"Status":"running"}}`,
		"bb": `{"Id":"bb","Name":"db","Config":{"Labels":{"k":"v"}}}`,
		"cc": `{"Id":"cc","Name":"db"}`,
	}}
	got, err := Client{Socket: server.listen(t), Command: "/nonexistent/podman"}.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	none := map[string]string{}
	want := Listing{Present: true, Transport: "socket", Containers: []Container{
		{ID: "bb", Name: "db", Labels: map[string]string{"k": "v"}},
		{ID: "cc", Name: "db", Labels: none},
		{ID: "aa", Name: "web", State: "running", Labels: none},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
}

func TestSocketWithoutContainers(t *testing.T) {
	got, err := Client{Socket: answers{list: `[]`}.listen(t)}.Containers(t.Context())
	if diff := cmp.Diff(Listing{Present: true, Transport: "socket"}, got); err != nil || diff != "" {
		t.Errorf("error %v, listing (-want +got):\n%s", err, diff)
	}
}

func TestSocketLeavesOutWhatIsGone(t *testing.T) {
	server := answers{list: `[{"Id":"aa"},{"Id":"bb"}]`, inspect: map[string]string{"aa": `{"Id":"aa"}`}}
	got, err := Client{Socket: server.listen(t)}.Containers(t.Context())
	if err != nil || len(got.Containers) != 1 || got.Containers[0].ID != "aa" {
		t.Errorf("got %+v, error %v; want aa alone", got, err)
	}
}

// A wrong answer is an error, even where a sound command stands by.
func TestSocketAnswersWrongly(t *testing.T) {
	one := `[{"Id":"aa"}]`
	tests := map[string]struct {
		handle http.HandlerFunc
		want   string
	}{
		"garbage":                  {onList("<html>"), "malformed JSON"},
		"nothing":                  {onList(""), "answer is empty"},
		"cut JSON":                 {onList(`[{"Id":"aa"}`), "malformed JSON"},
		"cut transfer":             {cutTransfer, "unexpected EOF"},
		"status 500":               {onStatus(500, `{"message":"storage \u001b is broken","response":500}`), `status 500: "storage \x1b is broken"`},
		"status 500, no JSON":      {onStatus(500, "broken\x1b"), `status 500: "broken\x1b"`},
		"not podman":               {onStatus(404, "Not Found"), "status 404"},
		"redirect":                 {redirect, "status 302"},
		"inspect garbage":          {onInspect(one, 200, "?"), "container aa: answer is malformed JSON"},
		"inspect another":          {onInspect(one, 200, `{"Id":"bb"}`), "the answer is about container bb"},
		"inspect 404 not podman's": {onInspect(one, 404, "Not Found"), "container aa: status 404"},
		"inspect 500":              {onInspect(one, 500, `{"message":"database is locked"}`), "database is locked"},
		"inspect too long":         {onInspectEndless(one), "longer than"},
		"no HTTP":                  {noHTTP, "malformed HTTP"},
	}
	command := fake(t, `echo '[]'`)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Client{Socket: listen(t, test.handle), Command: command.Command, Args: command.Args}.Containers(t.Context())
			wantError(t, err, test.want)
			wantError(t, err, "podman socket")
			if got.Present || got.Containers != nil {
				t.Errorf("got %+v beside the error", got)
			}
		})
	}
}

func TestSocketBeginsAgain(t *testing.T) {
	tests := map[string]struct {
		path string // whose answer says that a container vanished
		body string
	}{
		"list":            {"/v4.0.0/libpod/containers/json", `{"message":"container bb does not exist in database: no such container"}`},
		"inspect":         {"/v4.0.0/libpod/containers/aa/json", `{"message":"dependency bb: no such container"}`},
		"inspect removed": {"/v4.0.0/libpod/containers/aa/json", `{"message":"container aa has already been removed"}`},
	}
	sound := answers{list: `[{"Id":"aa"}]`, inspect: map[string]string{"aa": `{"Id":"aa"}`}}
	for name, test := range tests {
		for _, failures := range []int64{attempts - 1, attempts} {
			t.Run(fmt.Sprintf("%s fails %d times", name, failures), func(t *testing.T) {
				var failed atomic.Int64
				got, err := Client{Socket: listen(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == test.path && failed.Add(1) <= failures {
						onStatus(500, test.body)(w, r)
						return
					}
					sound.ServeHTTP(w, r)
				})}.Containers(t.Context())
				if failures == attempts {
					wantError(t, err, "vanished")
				} else if err != nil || len(got.Containers) != 1 {
					t.Errorf("got %+v, error %v; want aa", got, err)
				}
			})
		}
	}
}

func TestSocketHangs(t *testing.T) {
	tests := map[string]struct {
		handle http.HandlerFunc
		want   string // the error without a command
		falls  bool   // to the command, where there is one
	}{
		"at the list":    {hang, "nobody answers", true},
		"in the list":    {func(w http.ResponseWriter, r *http.Request) { startAnswer(w, `[{"Id":`); hang(w, r) }, "nobody answers", true},
		"at one inspect": {onListThen(`[{"Id":"aa"}]`, hang), "inspect containers: container aa: nobody answers", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket := listen(t, test.handle)
			_, err := within(t, 600*time.Millisecond, Client{Socket: socket})
			wantError(t, err, test.want)
			wantError(t, err, socket)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v is no deadline's", err)
			}
			client := fake(t, `echo '[]'`)
			client.Socket = socket
			got, err := within(t, 2*time.Second, client)
			if fell := err == nil && got.Transport == "command"; fell != test.falls {
				t.Errorf("with a command: got %+v, error %v; want falling back %t", got, err, test.falls)
			}
		})
	}
}

func TestSocketNobodyListens(t *testing.T) {
	dir := t.TempDir()
	regular := filepath.Join(dir, "file")
	if err := os.WriteFile(regular, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sockets := map[string]string{"stale": staleSocket(t), "no socket": regular, "closes at once": closingSocket(t), "dangling link": danglingLink(t)}
	for name, socket := range sockets {
		t.Run(name, func(t *testing.T) {
			got, err := Client{Socket: socket}.Containers(t.Context())
			wantError(t, err, socket)
			if got.Present {
				t.Errorf("got %+v", got)
			}
			client := fake(t, `echo '[]'`)
			client.Socket = socket
			if got, err = client.Containers(t.Context()); err != nil || got.Transport != "command" {
				t.Errorf("with a command: got %+v, error %v", got, err)
			}
			client = fake(t, `exit 3`)
			client.Socket = socket
			_, err = client.Containers(t.Context())
			wantError(t, err, socket)
			wantError(t, err, "podman command: list containers: podman ps: exit status 3")
		})
	}
}

func TestSocketInspectsFourAtATime(t *testing.T) {
	var now, most atomic.Int64
	var list []string
	for i := range 40 {
		list = append(list, fmt.Sprintf(`{"Id":"%02x"}`, i))
	}
	socket := listen(t, onListThen("["+strings.Join(list, ",")+"]", func(w http.ResponseWriter, r *http.Request) {
		for n := now.Add(1); ; {
			seen := most.Load()
			if n <= seen || most.CompareAndSwap(seen, n) {
				break
			}
		}
		time.Sleep(time.Millisecond) // so that requests overlap
		now.Add(-1)
		fmt.Fprintf(w, `{"Id":%q}`, idOf(r))
	}))
	got, err := Client{Socket: socket}.Containers(t.Context())
	if err != nil || len(got.Containers) != len(list) {
		t.Fatalf("got %d containers, error %v", len(got.Containers), err)
	}
	if most.Load() < 2 || most.Load() > 4 {
		t.Errorf("%d inspections ran at once; want 2 to 4", most.Load())
	}
}

// within calls under a limit, and fails when the call outlasts it by a second.
func within(t *testing.T, limit time.Duration, client Client) (Listing, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	begun := time.Now()
	listing, err := client.Containers(ctx)
	if took := time.Since(begun); took > limit+time.Second {
		t.Errorf("took %v under a limit of %v", took, limit)
	}
	return listing, err
}
