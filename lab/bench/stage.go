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
	"stackpolicy/lab/scene"
	"stackpolicy/lab/usermanager"
)

// own is how many units a scene declares on its own: three stacks, and the
// audit's service and timer.
const own = 5

// stage is a scene with many units, loaded and active.
type stage struct {
	*scene.Scene
	place
}

// openStage starts a user manager with that many managed units. One in ten is
// a stack with two containers; one in 25 had its link recreated since it was
// loaded, and two have a drop-in that nobody declares.
func (b *bench) openStage(ctx context.Context, units int) (*stage, error) {
	b.say("start a user manager with %d units", units)
	declared := declare(units - own)
	opened, err := scene.Open(ctx, b.stackpolicy, usermanager.Options{}, declared)
	if err != nil {
		return nil, fmt.Errorf("set the stage: %w", err)
	}
	s := &stage{opened, place{
		helper: b.helper, output: filepath.Join(opened.Dir, "tmp", "output"), command: opened.Command,
	}}
	if err := s.play(ctx, units-own); err != nil {
		s.close(b)
		return nil, fmt.Errorf("set the stage: %w", err)
	}
	return s, nil
}

func (s *stage) close(b *bench) {
	if err := s.Close(); err != nil {
		b.say("%v", err)
	}
}

// play starts every unit, and then lets some drift. Nothing is reloaded after.
func (s *stage) play(ctx context.Context, n int) error {
	if err := s.Podman(append(scene.Containers(), containers(n)...)...); err != nil {
		return err
	}
	if _, err := s.Systemctl(ctx, "start", "default.target"); err != nil {
		return err
	}
	return s.drift(n)
}

// drift recreates links, as older versions of Home Manager do at every activation, and
// writes drop-ins by hand.
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

// declare is what the generation holds besides the scene's own: n units, and a
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

// containers are two for each stack among n units.
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

// record takes a document of the stage, and makes sure that it is what the
// figures are said to be about: that many managed units, all of them loaded.
func (s *stage) record(ctx context.Context, b *bench, units int) (*facts.Document, error) {
	if _, err := s.measure(ctx, contestant{[]string{b.stackpolicy, "facts"}, []int{0}}); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(s.output)
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
	if managed != units || active < units-1 { // the audit's own service only runs now and then
		return nil, fmt.Errorf("record a document: %d managed units, %d of them active; want %d", managed, active, units)
	}
	return doc, nil
}
