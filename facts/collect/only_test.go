package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// containers is a podman with these containers.
type containers []podman.Container

func (c containers) Containers(context.Context) (podman.Listing, error) {
	return podman.Listing{Present: true, Transport: "socket", Containers: c}, nil
}

// memory is what earlier audits saw.
type memory facts.Memory

func (m memory) Recall(context.Context, time.Time) (facts.Memory, error) { return facts.Memory(m), nil }

// testEnvironment is an account with an empty home, and a clock that stopped.
func testEnvironment(t testing.TB) Environment {
	t.Helper()
	home := t.TempDir()
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(home, "no-bus"))
	return Environment{
		UID: os.Getuid(), Name: "alice", Home: home, ConfigHome: filepath.Join(home, ".config"), StateHome: filepath.Join(home, ".local/state"),
		RuntimeDir: filepath.Join(home, "run"), LingerDir: home, Podman: containers{}, Now: func() time.Time { return noon },
	}
}

// fakeManager has units in memory as they are given here.
type fakeManager struct {
	units  map[string]systemd.Unit
	listed []systemd.Listed
	asked  []string

	manager systemd.Manager // as the survey had it
	silent  bool            // it does not say how it is
}

func (*fakeManager) Transport() string { return "fake" }

func (m *fakeManager) Units(_ context.Context, names []string, _ func(string) bool) ([]systemd.Unit, error) {
	m.asked = append(m.asked, names...)
	units := make([]systemd.Unit, len(names))
	for i, name := range names {
		units[i] = m.units[name]
		if units[i].ID == "" {
			units[i] = systemd.Unit{ID: name, LoadState: "not-found", ActiveState: "inactive"}
		}
	}
	return units, nil
}

func (m *fakeManager) ReloadResults(_ context.Context, names []string) (map[string]string, error) {
	results := map[string]string{}
	for _, name := range names {
		results[name] = "exit-code"
	}
	return results, nil
}

func (m *fakeManager) survey(ctx, _ context.Context, e Environment) (s surveyed, err error) {
	m.manager = systemd.Manager{Version: "257", State: "running", UnitPath: []string{e.UnitDir()}, LoadedAt: noon.Add(-time.Hour)}
	s = surveyed{conn: m, listed: m.listed, manager: m.manager}
	s.index, err = unitfile.ReadIndex(ctx, s.manager.UnitPath)
	return s, err
}

// machine is a random home with units, drop-ins, links and containers, and a manager that
// has loaded some of them differently.
func machine(t *testing.T, random *rand.Rand) (Environment, *fakeManager) {
	t.Helper()
	env := testEnvironment(t)
	env.Config = config.Config{Units: []string{"web-*.service", "none-*.service"}, Stacks: map[string]config.Stack{}}
	m := &fakeManager{units: map[string]systemd.Unit{}}
	write := func(path, text string) {
		path = filepath.Join(env.UnitDir(), path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("default.target", "[Unit]\n")
	m.listed = append(m.listed, systemd.Listed{Name: "default.target", LoadState: "loaded", ActiveState: "active"})
	known := memory{Subjects: map[string]facts.History{}}
	var running containers
	maybe := func() bool { return random.IntN(2) == 0 }
	for i := range 12 {
		name := fmt.Sprintf([]string{"web-%d.service", "other-%d.service", "tpl-%d@.service"}[random.IntN(3)], i)
		write(name, fmt.Sprintf("[Unit]\nDescription=%d\n[Service]\nExecStart=/bin/true\n", random.IntN(2)))
		u := systemd.Unit{
			ID: name, Names: []string{name}, LoadState: "loaded", ActiveState: "active", FragmentPath: filepath.Join(env.UnitDir(), name),
			Description: "0", Service: &systemd.Service{Type: "simple"}, DropInPaths: []string{},
		}
		if maybe() {
			write(name+".d/a.conf", "[Service]\nEnvironment=A=1\n")
			u.DropInPaths = []string{filepath.Join(env.UnitDir(), name+".d/a.conf")}
		}
		if maybe() {
			if err := os.MkdirAll(filepath.Join(env.UnitDir(), "default.target.wants"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("../"+name, filepath.Join(env.UnitDir(), "default.target.wants", name)); err != nil {
				t.Fatal(err)
			}
		}
		if maybe() {
			u.WantedBy = []string{"default.target"}
		}
		if maybe() {
			m.listed = append(m.listed, systemd.Listed{Name: name, LoadState: "loaded", ActiveState: "active"})
		}
		if maybe() {
			known.Subjects[name] = facts.History{Findings: []facts.OpenFinding{{Invariant: "x", Since: noon}}}
		}
		if maybe() {
			env.Config.Stacks[fmt.Sprint("stack", i)] = config.Stack{Unit: name, Project: fmt.Sprint("p", i), Compose: []string{"/none"}}
		}
		for c := range random.IntN(3) {
			labels := map[string]string{"com.docker.compose.project": fmt.Sprint("p", random.IntN(12))}
			if maybe() {
				labels["PODMAN_SYSTEMD_UNIT"] = name
			}
			running = append(running, podman.Container{ID: fmt.Sprint(i, "-", c), Name: fmt.Sprint("c", i, c), State: "running", Labels: labels})
		}
		m.units[name] = u
	}
	env.Podman, env.Memory = running, known
	return env, m
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestOnly: for random machines and random units, the parts of these units and of the host
// are the same bytes as in the whole document.
func TestOnly(t *testing.T) {
	for seed := range uint64(25) {
		random := rand.New(rand.NewPCG(seed, 1))
		env, m := machine(t, random)
		whole := collect(t.Context(), env, m.survey)
		if len(whole.Units) < 10 {
			t.Fatalf("seed %d: the machine has only %d units", seed, len(whole.Units))
		}
		for name, c := range whole.Collectors {
			if !c.OK {
				t.Fatalf("seed %d: collector %s: %s", seed, name, c.Error)
			}
		}
		asked := []string{"no-such.service"}
		for _, u := range whole.Units {
			if random.IntN(3) == 0 {
				asked = append(asked, u.Name)
			}
		}
		m.asked = nil
		part := collect(t.Context(), env, m.survey, Only(asked...))
		for _, name := range m.asked {
			ofHost := slices.Contains([]string{auditTimer, watchService, autoUpdateTimer, autoUpdateService, defaultTarget}, name) || slices.ContainsFunc(env.Podman.(containers), func(c podman.Container) bool {
				return c.Labels[podman.LabelUnit] == name // part of the container
			})
			if !ofHost && !slices.Contains(asked, name) {
				t.Errorf("seed %d: the manager was asked for %s", seed, name)
			}
		}
		want := *whole
		want.Units = slices.DeleteFunc(slices.Clone(whole.Units), func(u facts.Unit) bool { return !slices.Contains(asked, u.Name) })
		if d := cmp.Diff(text(t, want), text(t, part)); d != "" {
			t.Errorf("seed %d, only %q: -whole +part\n%s", seed, asked, d)
		}
	}
}

// An empty list does not mean all units.
func TestOnlyNone(t *testing.T) {
	env, m := machine(t, rand.New(rand.NewPCG(1, 1)))
	if doc := collect(t.Context(), env, m.survey, Only()); len(doc.Units) != 0 || doc.Manager == nil {
		t.Errorf("%d units, manager %v", len(doc.Units), doc.Manager)
	}
}

// Without a manager, the document has the names of the chosen units, and no others.
func TestOnlyWithoutAManager(t *testing.T) {
	env := testEnvironment(t)
	env.Config = config.Config{Units: []string{"a.service", "b.service"}}
	silent := func(context.Context, context.Context, Environment) (surveyed, error) {
		return surveyed{}, context.DeadlineExceeded
	}
	doc := collect(t.Context(), env, silent, Only("b.service"))
	if len(doc.Units) != 1 || doc.Units[0].Name != "b.service" || doc.Collectors["systemd"].OK || doc.Collectors["files"].OK {
		t.Errorf("got %s", text(t, doc))
	}
}
