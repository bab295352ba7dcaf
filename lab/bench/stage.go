package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"stackpolicy/facts"
	"stackpolicy/history"
	"stackpolicy/lab/bench/contest"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/usermanager"
)

// sceneUnits is the number of units in every scene: three stacks, and the audit's service
// and timer.
const sceneUnits = 5

// stage is a scene with many units, loaded and active.
type stage struct {
	*scene.Scene
	contest.Place
}

// openStage starts a user manager with the given number of managed units. One in ten is a
// stack with two containers. The links of one in 25 were recreated after it was loaded, and
// two have an undeclared drop-in.
func (b *bench) openStage(ctx context.Context, units int) (*stage, error) {
	b.say("start a user manager with %d units", units)
	declared := declare(units - sceneUnits)
	opened, err := scene.Open(ctx, b.stackpolicy, usermanager.Options{}, declared)
	if err != nil {
		return nil, fmt.Errorf("prepare the units: %w", err)
	}
	s := &stage{opened, contest.Place{
		Helper: b.Helper, Output: filepath.Join(opened.Dir, "tmp", "output"), Command: opened.Command,
	}}
	if err := s.startAll(ctx, units-sceneUnits); err != nil {
		s.close(b)
		return nil, fmt.Errorf("prepare the units: %w", err)
	}
	return s, nil
}

func (s *stage) close(b *bench) {
	if err := s.Close(); err != nil {
		b.say("%v", err)
	}
}

// startAll starts every unit, and then makes some drift. There is no reload after that.
func (s *stage) startAll(ctx context.Context, n int) error {
	if err := s.Podman(append(scene.Containers(), containers(n)...)...); err != nil {
		return err
	}
	if _, err := s.Systemctl(ctx, "start", "default.target"); err != nil {
		return err
	}
	return s.drift(n)
}

// drift recreates links, as older versions of Home Manager do at every activation, and writes
// undeclared drop-ins.
func (s *stage) drift(n int) error {
	for i := range n {
		if !isStale(i) {
			continue
		}
		target, err := os.Readlink(s.Unit(unitName(i)))
		if err != nil {
			return err
		}
		if err := s.Link(target, s.Unit(unitName(i))); err != nil {
			return err
		}
	}
	for _, i := range []int{3, 4} {
		override := s.Unit(unitName(i) + ".d/override.conf")
		if err := s.Write(override, "[Service]\nNice=5\n"); err != nil {
			return err
		}
	}
	return nil
}

func unitName(i int) string  { return stackName(i) + ".service" }
func stackName(i int) string { return fmt.Sprintf("app%04d", i) }
func isStack(i int) bool     { return i%10 == 0 }
func isStale(i int) bool     { return i%25 == 7 }

// declare returns what the generation has in addition to the scene's files: n units, and a
// configuration that names the stacks among them.
func declare(n int) map[string]string {
	stacks := []string{"web: {}", "files: {}", "feeds: {}"}
	declared := map[string]string{}
	for i := range n {
		if isStack(i) {
			stacks = append(stacks, stackName(i)+": {}")
		}
		declared[path.Join(scene.UnitDir, unitName(i))] = scene.StackUnit(unitName(i), "first")
		declared[path.Join(scene.UnitDir, "default.target.wants", unitName(i))] = "-> ../" + unitName(i)
	}
	declared[".config/stackpolicy/config.yaml"] = "stacks: {" + strings.Join(stacks, ", ") + "}\n"
	return declared
}

// containers returns two containers for each stack among n units.
func containers(n int) []scene.Container {
	var list []scene.Container
	for i := range n {
		if !isStack(i) {
			continue
		}
		for _, service := range []string{"app", "db"} {
			list = append(list, scene.Container{
				Name: stackName(i) + "-" + service + "-1", Unit: unitName(i),
				Project: stackName(i), Service: service, Health: "healthy",
			})
		}
	}
	return list
}

// record collects a document of the stage. It checks that the document has the given number of
// managed units and that all are loaded, as the table says.
func (s *stage) record(ctx context.Context, b *bench, units int) (*facts.Document, error) {
	if _, err := s.Measure(ctx, contest.Contestant{Argv: []string{b.stackpolicy, "facts"}, Ends: []int{0}}); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(s.Output)
	if err != nil {
		return nil, fmt.Errorf("record a document: %w", err)
	}
	doc, err := facts.Read("of the stage", bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	managed, active := 0, 0
	for _, u := range doc.Units {
		if !u.IsManaged() {
			continue
		}
		managed++
		if u.Loaded != nil && u.Loaded.ActiveState == "active" {
			active++
		}
	}
	if managed != units || active < units-1 { // the audit's service is not always active
		return nil, fmt.Errorf("record a document: %d managed units, %d of them active; want %d", managed, active, units)
	}
	return doc, nil
}

// stateHome makes another state folder of the account, with links to everything in the first
// one. memory is the history to use in it, "" for none.
func (s *stage) stateHome(name, memory string) (string, error) {
	first, home := filepath.Join(s.Home, ".local/state"), filepath.Join(s.Home, name)
	entries, err := os.ReadDir(first)
	if err != nil {
		return "", fmt.Errorf("make a state folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() == "stackpolicy" {
			continue
		}
		if err := s.Link(filepath.Join(first, e.Name()), filepath.Join(home, e.Name())); err != nil {
			return "", fmt.Errorf("make a state folder: %w", err)
		}
	}
	if memory == "" {
		return home, nil
	}
	text, err := os.ReadFile(memory) // at most some tens of megabytes
	if err == nil {
		err = s.Write(history.Path(home), string(text))
	}
	if err != nil {
		return "", fmt.Errorf("hand over the memory: %w", err)
	}
	return home, nil
}
