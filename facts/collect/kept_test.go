package collect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/systemd"
)

func (m *fakeManager) Manager(context.Context) (systemd.Manager, error) {
	if m.silent {
		return systemd.Manager{}, errors.New("silent")
	}
	return m.manager, nil // as of the survey
}

func (m *fakeManager) ListUnits(context.Context) ([]systemd.Listed, error) {
	return slices.Clone(m.listed), nil
}

// changer changes a machine at random, and says what as a watcher would.
type changer struct {
	*rand.Rand
	t   *testing.T
	env *Environment
	m   *fakeManager
}

func (s changer) unit() string { return s.m.names()[s.IntN(len(s.m.names()))] }

func (s changer) write(path, text string) Change {
	s.t.Helper()
	path = filepath.Join(s.env.UnitDir(), path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.RemoveAll(path), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		s.t.Fatal(err)
	}
	return Change{Paths: map[string]bool{path: true}}
}

// do makes one change. The manager sees it when it is asked for the unit.
func (s changer) do() Change {
	c := s.change()
	for path := range c.Paths {
		for name, u := range s.m.units {
			u.NeedDaemonReload = u.NeedDaemonReload || strings.Contains(path, name)
			s.m.units[name] = u
		}
	}
	return c
}

func (s changer) change() Change {
	unit, text := s.unit(), fmt.Sprintf("[Unit]\nDescription=%d\n[Service]\nExecStart=/bin/true\n", s.IntN(9))
	switch s.IntN(16) {
	case 0:
		return s.write(unit, text)
	case 1:
		return s.write(unit+".d/a.conf", "[Service]\nEnvironment=A="+unit+"\n")
	case 2:
		path := filepath.Join(s.env.UnitDir(), unit+".d/a.conf")
		_ = os.Remove(path)
		return Change{Paths: map[string]bool{path: true}}
	case 3:
		path := filepath.Join(s.env.UnitDir(), "default.target.wants", unit)
		if os.Remove(path) != nil {
			_ = os.MkdirAll(filepath.Dir(path), 0o755)
			_ = os.Symlink("../"+unit, path)
		}
		return Change{Paths: map[string]bool{path: true}}
	case 4: // a unit that was not there
		return s.write(fmt.Sprintf("web-9%d.service", s.IntN(3)), text)
	case 5: // a link to a file elsewhere, which changes later
		elsewhere := filepath.Join(s.env.Home, "elsewhere-"+unit)
		path := filepath.Join(s.env.UnitDir(), unit)
		if err := errors.Join(os.WriteFile(elsewhere, []byte(text), 0o644), os.RemoveAll(path), os.Symlink(elsewhere, path)); err != nil {
			s.t.Fatal(err)
		}
		return Change{Paths: map[string]bool{path: true}}
	case 6:
		elsewhere := filepath.Join(s.env.Home, "elsewhere-"+unit)
		if os.WriteFile(elsewhere, []byte(text), 0o644) != nil {
			s.t.Fatal("no home")
		}
		return Change{Paths: map[string]bool{elsewhere: true}}
	case 7:
		u := s.m.units[unit]
		u.ActiveState = []string{"active", "inactive", "failed"}[s.IntN(3)]
		s.m.units[unit] = u
		s.m.list(systemd.Listed{Name: unit, LoadState: "loaded", ActiveState: u.ActiveState})
		return Change{Units: map[string]bool{unit: true}}
	case 8: // it is no longer in memory
		s.m.listed = slices.DeleteFunc(slices.Clone(s.m.listed), func(l systemd.Listed) bool { return l.Name == unit })
		return Change{Units: map[string]bool{unit: true}}
	case 9:
		containers := slices.Clone(s.env.Podman.(containers))
		if len(containers) > 0 {
			containers[s.IntN(len(containers))].State = []string{"running", "exited"}[s.IntN(2)]
		}
		s.env.Podman = containers
		return Change{Containers: true}
	case 11: // another name of a unit
		path := filepath.Join(s.env.UnitDir(), "alias-"+unit)
		if os.Remove(path) != nil && os.Symlink(unit, path) != nil {
			s.t.Fatal("no alias")
		}
		return Change{Paths: map[string]bool{path: true}}
	case 12:
		return s.write("alias-"+unit+".d/b.conf", "[Service]\nEnvironment=B="+unit+"\n")
	case 13:
		path := filepath.Join(s.env.UnitDir(), "alias-"+unit+".d/b.conf")
		_ = os.Remove(path)
		return Change{Paths: map[string]bool{path: true}}
	case 14: // a unit that pulls it in comes, or goes without a change of files
		const passing = "passing.service"
		u := s.m.units[unit]
		if slices.ContainsFunc(s.m.listed, func(l systemd.Listed) bool { return l.Name == passing }) {
			s.m.listed = slices.DeleteFunc(slices.Clone(s.m.listed), func(l systemd.Listed) bool { return l.Name == passing })
			for name, u := range s.m.units {
				u.WantedBy = slices.DeleteFunc(slices.Clone(u.WantedBy), func(n string) bool { return n == passing })
				s.m.units[name] = u
			}
			delete(s.m.units, passing)
			return Change{Units: map[string]bool{passing: true}}
		}
		c := s.write(passing, "[Service]\nExecStart=/bin/true\n")
		u.WantedBy = append(slices.Clone(u.WantedBy), passing)
		s.m.units[unit] = u
		s.m.units[passing] = systemd.Unit{ID: passing, LoadState: "loaded", ActiveState: "active", Wants: []string{unit}}
		s.m.list(systemd.Listed{Name: passing, LoadState: "loaded", ActiveState: "active"})
		c.Units = map[string]bool{passing: true}
		return c
	case 10:
		containers := slices.Clone(s.env.Podman.(containers))
		s.env.Podman = append(containers, podman.Container{ID: unit, Name: unit, State: "running", Labels: map[string]string{podman.LabelUnit: unit}})
		return Change{Containers: true}
	}
	target := systemd.Listed{Name: "default.target", LoadState: "loaded", ActiveState: []string{"active", "inactive"}[s.IntN(2)]}
	s.m.list(target)
	return Change{Units: map[string]bool{target.Name: true}}
}

func (m *fakeManager) list(l systemd.Listed) {
	m.listed = append(slices.DeleteFunc(slices.Clone(m.listed), func(x systemd.Listed) bool { return x.Name == l.Name }), l)
}

func (m *fakeManager) names() []string {
	var names []string
	for name := range m.units {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestKept: on random machines, after each of many random changes, the document is the same as
// one that was collected from nothing; and for most changes only few units are asked for.
func TestKept(t *testing.T) {
	partial, asked := 0, 0
	const seeds, steps = 8, 40
	for seed := range uint64(seeds) {
		random := rand.New(rand.NewPCG(seed, 7))
		env, m := machine(t, random)
		kept := &Kept{surveyor: m.survey}
		s := changer{random, t, &env, m}
		change := Change{}
		for i := range steps {
			m.asked = nil
			got := kept.Collect(t.Context(), env, change)
			if !kept.last.change.Whole {
				partial++
				asked += len(m.asked)
			}
			want := collect(t.Context(), env, m.survey)
			if got.Host != nil && want.Host != nil { // others write to the disk
				got.Host.HomeFS, got.Host.StateFS = want.Host.HomeFS, want.Host.StateFS
			}
			if d := cmp.Diff(text(t, want), text(t, got)); d != "" {
				t.Fatalf("seed %d, step %d, %+v: -fresh +kept\n%s", seed, i, change, d)
			}
			change = s.do()
		}
		kept.Close()
	}
	if partial < seeds*steps/3 || asked > 5*partial {
		t.Errorf("%d of %d collections were partial and asked for %d units; want a third and at most five each", partial, seeds*steps, asked)
	}
}

// A manager that does not answer is a gap, and the next collection is a whole one.
func TestKeptAfterAGap(t *testing.T) {
	env, m := machine(t, rand.New(rand.NewPCG(3, 7)))
	kept := &Kept{surveyor: m.survey}
	first := kept.Collect(t.Context(), env, Change{})
	m.silent = true
	if gap := kept.Collect(t.Context(), env, Change{}).Collectors["systemd"]; gap.OK {
		t.Fatal("nothing was asked")
	}
	m.silent = false
	after := kept.Collect(t.Context(), env, Change{})
	if !kept.last.change.Whole {
		t.Error("only a part was collected after a gap")
	}
	if d := cmp.Diff(text(t, first), text(t, after)); d != "" {
		t.Error(d)
	}
}

// What was found before is not changed by a later collection: rules may still read it.
func TestKeptDocumentsAreApart(t *testing.T) {
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 9))
		env, m := machine(t, random)
		kept, s := &Kept{surveyor: m.survey}, changer{random, t, &env, m}
		var documents []*facts.Document
		var texts []string
		change := Change{}
		for range 20 {
			doc := kept.Collect(t.Context(), env, change)
			documents, texts = append(documents, doc), append(texts, text(t, doc))
			change = s.do()
		}
		for i, doc := range documents {
			if d := cmp.Diff(texts[i], text(t, doc)); d != "" {
				t.Fatalf("document %d was changed: %s", i, d)
			}
		}
	}
}

// Only what is of one passing unit concerns no other: a drop-in of a type, a prefix or a template
// is one of many units, and a folder has many files.
func TestKeptTransient(t *testing.T) {
	const folder = "/run/user/1000/systemd/transient"
	k := &kept{links: map[string]bool{"alias.service": true}}
	k.survey.manager.UnitPath = []string{folder}
	for path, want := range map[string]bool{
		"healthcheck.service": true, "healthcheck.timer": true, "run-r1.scope": true, "healthcheck.service.d/50-CPUWeight.conf": true,
		"alias.service": false, "alias.service.d/a.conf": false,
		"service.d/a.conf": false, "web-.service.d/a.conf": false, "inst@.service.d/a.conf": false, "inst@.service": false,
		"service.d": false, "web.service.d": false, "default.target.wants": false, "default.target.wants/web.service": false, "web.target": false,
	} {
		if units, understood := k.unitsOf(Environment{}, filepath.Join(folder, path)); understood != want || len(units) > 0 {
			t.Errorf("%s: %v, %t; want %t", path, units, understood, want)
		}
	}
}

// What nothing asks for any more is forgotten: transient units come and go by the thousand.
func TestKeptForgets(t *testing.T) {
	env, m := machine(t, rand.New(rand.NewPCG(4, 7)))
	kept := &Kept{surveyor: m.survey}
	kept.Collect(t.Context(), env, Change{})
	most := len(kept.last.raw)
	for i := range 50 {
		name := fmt.Sprintf("web-run-%d.service", i)
		m.units[name] = systemd.Unit{ID: name, Names: []string{name}, LoadState: "loaded", ActiveState: "active"}
		m.list(systemd.Listed{Name: name, LoadState: "loaded", ActiveState: "active"})
		kept.Collect(t.Context(), env, Change{Units: map[string]bool{name: true}})
		m.listed = slices.DeleteFunc(m.listed, func(l systemd.Listed) bool { return l.Name == name })
		delete(m.units, name)
	}
	kept.Collect(t.Context(), env, Change{Units: map[string]bool{}})
	if kept.last.change.Whole {
		t.Fatal("everything was collected again")
	}
	if n := len(kept.last.raw); n > most {
		t.Errorf("%d units are kept, of %d that exist", n, most)
	}
}

// slow is a podman that answers when it is told to, whatever its context says.
type slow struct {
	containers
	asked, answer chan struct{}
}

func (s slow) Containers(context.Context) (podman.Listing, error) {
	s.asked <- struct{}{}
	<-s.answer
	return podman.Listing{}, nil
}

// A collector that answers when it is no longer waited for changes nothing of later collections.
func TestKeptAfterAnAbandonedCollector(t *testing.T) {
	env, m := machine(t, rand.New(rand.NewPCG(3, 7)))
	kept := &Kept{surveyor: m.survey}
	want := text(t, kept.Collect(t.Context(), env, Change{}))
	late := slow{env.Podman.(containers), make(chan struct{}, 1), make(chan struct{})}
	abandoned, abandon := context.WithCancel(t.Context())
	go func() {
		<-late.asked
		abandon()
	}()
	hung := env
	hung.Podman = late
	if gap := kept.Collect(abandoned, hung, Change{Containers: true}).Collectors["podman"]; gap.OK {
		t.Fatal("podman was not abandoned")
	}
	for range 3 {
		if d := cmp.Diff(want, text(t, kept.Collect(t.Context(), env, Change{}))); d != "" {
			t.Error(d)
		}
		select {
		case late.answer <- struct{}{}:
		default:
		}
	}
}

// While an activation is not at its end, what is declared is collected each time.
func TestKeptActivation(t *testing.T) {
	for state, want := range map[string]int{"none": 1, "current": 1, "running": 3, "half-finished": 3, "failed": 3} {
		k, asked := &kept{}, 0
		for range 3 {
			_, _ = k.declaration(func() (declaration, error) {
				asked++
				return declaration{section: &facts.Declared{Activation: facts.Activation{State: state}}}, nil
			})
		}
		if asked != want {
			t.Errorf("%s: collected %d times in three, want %d", state, asked, want)
		}
	}
}

// BenchmarkKept collects again after one file of 1,000 units changed.
func BenchmarkKept(b *testing.B) {
	env, m := manyUnits(b, 1000)
	kept := &Kept{surveyor: m.survey}
	defer kept.Close()
	kept.Collect(b.Context(), env, Change{})
	path := filepath.Join(env.UnitDir(), "web-5.service.d/late.conf")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := os.WriteFile(path, fmt.Appendf(nil, "[Service]\nNice=%d\n", i%9), 0o600); err != nil {
			b.Fatal(err)
		}
		if kept.Collect(b.Context(), env, Change{Paths: map[string]bool{path: true}}); kept.last.change.Whole {
			b.Fatal("everything was collected again")
		}
	}
}

// manyUnits is a home with as many units, each with a link and a container.
func manyUnits(b *testing.B, n int) (Environment, *fakeManager) {
	b.Helper()
	env := testEnvironment(b)
	env.Config = config.Config{Units: []string{"web-*.service"}}
	m := &fakeManager{units: map[string]systemd.Unit{}}
	var running containers
	wants := filepath.Join(env.UnitDir(), "default.target.wants")
	if err := os.MkdirAll(wants, 0o755); err != nil {
		b.Fatal(err)
	}
	for i := range n {
		name := fmt.Sprintf("web-%d.service", i)
		path := filepath.Join(env.UnitDir(), name)
		if err := errors.Join(os.WriteFile(path, []byte("[Unit]\nDescription=0\n[Service]\nExecStart=/bin/true\n"), 0o600), os.Symlink("../"+name, filepath.Join(wants, name))); err != nil {
			b.Fatal(err)
		}
		m.units[name] = systemd.Unit{
			ID: name, Names: []string{name}, LoadState: "loaded", ActiveState: "active", FragmentPath: path, Description: "0",
			Service: &systemd.Service{Type: "simple"}, DropInPaths: []string{}, WantedBy: []string{"default.target"}, Requires: []string{"app.slice", "basic.target"},
		}
		m.list(systemd.Listed{Name: name, LoadState: "loaded", ActiveState: "active"})
		running = append(running, podman.Container{ID: fmt.Sprint("c", i), Name: fmt.Sprint("c", i), State: "running", Labels: map[string]string{podman.LabelUnit: name}})
	}
	env.Podman, env.Memory = running, memory{}
	return env, m
}
