package decide

import (
	"context"
	"fmt"
	"testing"

	"stackpolicy/facts"
	"stackpolicy/policies"
)

// sound is a document with n managed units, as on a machine with Home Manager.
func sound(n int) *facts.Document {
	doc := document()
	doc.Podman.Present = true
	for i := range n {
		doc.Units = append(doc.Units, soundUnit(fmt.Sprintf("unit%05d", i)))
	}
	return doc
}

func soundUnit(name string) facts.Unit {
	unit := name + ".service"
	path := "/home/u/.config/systemd/user/" + unit
	return facts.Unit{
		Name: unit, ManagedBy: "home-manager", Stack: name,
		Loaded: &facts.Loaded{
			LoadState: "loaded", ActiveState: "active", SubState: "exited", UnitFileState: "linked",
			FragmentPath: path, FragmentOrigin: "user", Type: "oneshot", RemainAfterExit: true, TimeoutStartSec: 90,
			StartPost: []facts.Command{{Path: "/nix/store/x/bin/stackctl"}}, Result: "success",
		},
		Files: []facts.File{{
			Path: path, Role: "fragment", Origin: "user", Kind: "link", State: "declared", Effective: true, Loaded: true,
			FirstHop: "/nix/store/x-home-manager-files/" + unit, Target: "/nix/store/x/" + unit, Mode: "0444", Digest: "sha256:0",
		}},
		Reload: &facts.Reload{},
		Containers: []facts.Container{{
			ID: name, Name: name, Image: "docker.io/library/x", State: "running", Health: "healthy", Project: name, Service: "web",
			UnitLabel: &facts.UnitLabel{Name: unit, Valid: true, LoadState: "loaded"}, AutoUpdate: "registry",
			Labels: map[string]string{"io.containers.autoupdate": "registry"},
		}},
		Services: []facts.Service{{Name: "web", Containers: 1, HealthCheck: true}},
		Applied:  &facts.Applied{State: "recorded", Changed: []facts.AppliedFile{}, Step: "verify"},
		History:  &facts.History{},
	}
}

func BenchmarkLoad(b *testing.B) {
	for name, trusted := range map[string]bool{"checked": false, "trusted": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Load(context.Background(), policies.FS, Options{Trusted: trusted}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecide(b *testing.B) {
	p, err := Load(context.Background(), policies.FS, Options{Trusted: true})
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{50, 1000, 10000} {
		doc := sound(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Decide(context.Background(), doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRemembered decides an unchanged document again, an hour later.
func BenchmarkRemembered(b *testing.B) {
	for _, n := range []int{50, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			remembering, err := Load(context.Background(), policies.FS, Options{Trusted: true, Memory: NewMemory()})
			if err != nil {
				b.Fatal(err)
			}
			doc := sound(n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := remembering.Decide(context.Background(), doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
