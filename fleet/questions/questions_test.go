package questions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/fleet"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/courier"
	"stackpolicy/fleet/questions"
	"stackpolicy/lab/bench/past"
	"stackpolicy/lab/hub"
	"stackpolicy/policies"
	"stackpolicy/replay"
)

// load loads rules in this process: the tests' own are trusted.
func load(ctx context.Context, files []policy.File, m decide.Memory) (*decide.Policies, error) {
	return decide.LoadSource(ctx, policy.Source{Files: files}, decide.Options{Memory: m, Trusted: true})
}

func builtIn() []policy.File { return policy.Open(policies.FS, "").Files }

// otherwise returns the built-in rules with settings that hold off a finding.
func otherwise(t *testing.T) []policy.File {
	t.Helper()
	files := slices.Clone(builtIn())
	i := slices.IndexFunc(files, func(f policy.File) bool { return f.Name == policy.SettingsFile })
	files[i].Text = append(slices.Clone(files[i].Text), "\n"...)
	text := strings.Replace(string(files[i].Text), "decide: []", "decide: [{invariant: stack_running, units: [\"*\"], severity: ticket}]", 1)
	if text == string(files[i].Text) {
		t.Fatalf("no place for a setting in\n%s", text)
	}
	files[i].Text = []byte(text)
	return files
}

func recorded(t *testing.T) *facts.Document {
	t.Helper()
	f, err := os.Open("../../testdata/facts/good.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := facts.Read(f.Name(), f)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// fleet has two hosts with a day of history in the archive.
func newFleet(t *testing.T) (*hub.Hub, []*hub.Host) {
	t.Helper()
	h := hub.New(t)
	h.StartArchiver()
	now := time.Now().Truncate(time.Second)
	p, err := load(t.Context(), builtIn(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var hosts []*hub.Host
	for i, name := range []string{"web", "db"} {
		x := h.Enroll(name, "alice", now.AddDate(0, 0, -2))
		if err := past.Live(t.Context(), x.StateHome, recorded(t), now, 1+i, p); err != nil {
			t.Fatal(err)
		}
		x.Now = func() time.Time { return now }
		for more := true; more; {
			r, err := courier.Send(t.Context(), x.Options)
			if err != nil {
				t.Fatal(err)
			}
			more = r.IsBacklog
		}
		hosts = append(hosts, x)
	}
	if err := h.Await(30*time.Second, hosts...); err != nil {
		t.Fatal(err)
	}
	return h, hosts
}

// work runs workers until the test or the returned function ends them.
func work(t *testing.T, h *hub.Hub, n int) jetstream.JetStream {
	t.Helper()
	return workFrom(t, h, h.Data, n)
}

func workFrom(t *testing.T, h *hub.Hub, data string, n int, change ...func(*questions.Worker)) jetstream.JetStream {
	t.Helper()
	conn := h.Own()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var done sync.WaitGroup
	store := archive.OpenReadOnly(data, h.Keys.Registry.Public())
	for i := range n {
		done.Go(func() {
			w := questions.Worker{
				Archive: store, JetStream: js, Name: fmt.Sprint("worker ", i), Load: load,
				Present: func(ctx context.Context, m decide.Memory) (*decide.Policies, error) { return load(ctx, builtIn(), m) },
				Log:     func(line string) { t.Error(line) },
			}
			for _, c := range change {
				c(&w)
			}
			err := questions.Work(ctx, w)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); done.Wait(); conn.Close(); _ = store.Close() })
	return js
}

// The impact over a fleet is, to the byte, the sum of what each host says itself; a query is
// answered by each.
func TestImpact(t *testing.T) {
	h, hosts := newFleet(t)
	js := work(t, h, 2)
	since := time.Now().AddDate(0, 0, -30).UTC()
	got, err := questions.Asking{JetStream: js, Patience: time.Minute}.Impact(t.Context(), questions.Job{Since: since, Rules: otherwise(t)})
	if err != nil {
		t.Fatal(err)
	}
	var each []questions.SourceImpact
	for _, x := range hosts {
		before, err1 := load(t.Context(), builtIn(), nil)
		after, err2 := load(t.Context(), otherwise(t), nil)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		o := replay.Options{Since: since, Load: func(ctx context.Context, _ string, files []policy.File) (*decide.Policies, error) {
			return load(ctx, files, nil)
		}}
		i, err := replay.Compare(t.Context(), replay.Of(x.Store), before, after, o)
		if err != nil {
			t.Fatal(err)
		}
		each = append(each, questions.SourceImpact{Source: x.Source, Key: x.Key.Public().Fingerprint(), Impact: i})
	}
	want := questions.Sum(since, each)
	if d := cmp.Diff(asJSON(t, want), asJSON(t, got)); d != "" {
		t.Errorf("-hosts +fleet\n%s", d)
	}
	query(t, js)
	if got.Changed != 2 || got.Sources != 2 || len(got.Findings) == 0 || got.Findings[0].Sources != 2 {
		t.Errorf("%+v", got)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func query(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	got, err := questions.Asking{JetStream: js, Patience: time.Minute}.Query(t.Context(), questions.Job{Query: "input.host.name"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Each) != 2 || got.Each[0].Host != "db" || string(got.Each[1].Answers[0]) != `"lab"` {
		t.Errorf("%s", asJSON(t, got))
	}
}

// Rules that decided at several hosts are loaded once for a question, and so are those that are
// tried; the present ones are loaded once for all questions.
func TestRulesAreLoadedOnce(t *testing.T) {
	h, _ := newFleet(t)
	var loads, presents atomic.Int32
	js := workFrom(t, h, h.Data, 1, func(w *questions.Worker) {
		w.Present = func(ctx context.Context, m decide.Memory) (*decide.Policies, error) {
			presents.Add(1)
			return load(ctx, otherwise(t), m)
		}
		w.Load = func(ctx context.Context, files []policy.File, m decide.Memory) (*decide.Policies, error) {
			loads.Add(1)
			return load(ctx, files, m)
		}
	})
	for n := range int32(2) {
		i, err := questions.Asking{JetStream: js, Patience: time.Minute}.Impact(t.Context(), questions.Job{Since: time.Now().AddDate(0, 0, -30), Rules: otherwise(t)})
		if err != nil || i.Changed != 2 || loads.Load() != 2*(n+1) || presents.Load() != 1 {
			t.Errorf("%d loads, %d of the present rules, %v: %s", loads.Load(), presents.Load(), err, asJSON(t, i))
		}
	}
}

// A worker that has no archive has no answer of anybody; nobody takes that for one.
func TestAWorkerWithoutAnArchive(t *testing.T) {
	h := hub.New(t)
	x := h.Enroll("web", "alice", time.Now())
	revoked := time.Now()
	enrolled := []fleet.Identity{{Source: x.Source, Key: x.Key.Public()}, {Source: fleet.Source{Org: "home", Host: "old", User: "alice"}, Revoked: &revoked}}
	js := workFrom(t, h, t.TempDir(), 1)
	a := questions.Asking{JetStream: js, Patience: time.Minute, Enrolled: enrolled}
	i, err := a.Impact(t.Context(), questions.Job{Since: time.Now().AddDate(0, 0, -1), Rules: builtIn()})
	if err != nil || i.Sources != 0 || len(i.Each) != 1 || i.Each[0].Source != x.Source || i.Each[0].Error == "" {
		t.Errorf("%v: %s", err, asJSON(t, i))
	}
	all, err := a.Query(t.Context(), questions.Job{Query: "true"})
	if err != nil || len(all.Each) != 1 || all.Each[0].Source != x.Source || all.Each[0].Error == "" {
		t.Errorf("%v: %s", err, asJSON(t, all))
	}
}

// The facts of a key that is revoked, or that another one replaced, are no answer of today.
func TestAFormerKeyIsNotAsked(t *testing.T) {
	h, hosts := newFleet(t)
	js := work(t, h, 1)
	revoked := time.Now()
	other, err := fleet.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	enrolled := []fleet.Identity{
		{Source: hosts[0].Source, Key: hosts[0].Key.Public(), Revoked: &revoked}, {Source: hosts[1].Source, Key: other.Public()},
	}
	got, err := questions.Asking{JetStream: js, Patience: time.Minute, Enrolled: enrolled}.Query(t.Context(), questions.Job{Query: "true"})
	if err != nil || len(got.Each) != 1 || got.Each[0].Key != other.Public().Fingerprint() || got.Each[0].Error == "" {
		t.Errorf("%v: %s", err, asJSON(t, got))
	}
}

// A source that takes too long is named, and the others are answered.
func TestASourceThatIsSlow(t *testing.T) {
	h, _ := newFleet(t)
	js := workFrom(t, h, h.Data, 1, func(w *questions.Worker) { w.Limit = time.Millisecond })
	i, err := questions.Asking{JetStream: js, Patience: time.Minute}.Impact(t.Context(), questions.Job{Since: time.Now().AddDate(0, 0, -30), Rules: otherwise(t)})
	if err != nil || i.Sources != 0 || len(i.Each) != 2 || i.Each[0].Error != "it took longer than 1ms" {
		t.Errorf("%v: %s", err, asJSON(t, i))
	}
}

// Without a worker it is an error that says what to start.
func TestNobodyWorks(t *testing.T) {
	h := hub.New(t)
	conn := h.Own()
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	_, err = questions.Asking{JetStream: js, Patience: 200 * time.Millisecond}.Query(t.Context(), questions.Job{Query: "true"})
	if err == nil || !strings.Contains(err.Error(), "stackfleet worker") {
		t.Errorf("%v", err)
	}
}
