package collect

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"stackpolicy/config"
	"stackpolicy/facts"
)

const composeText = `services:
  app:
    image: localhost/app:${TAG:-1}
    restart: always
    depends_on: {migrate: {condition: service_completed_successfully}}
    healthcheck: {test: ["CMD", "true"]}
  migrate: {image: "localhost/app:1"}
  seed: {image: "localhost/app:1", restart: "no"}
  debug: {image: "localhost/app:1", profiles: [debug]}
  worker: {image: "localhost/app:1", deploy: {replicas: 3}}
`

// TestServicesOfFiles: of a stack that stackctl has no record of, the compose files
// that the configuration names say which services there should be.
func TestServicesOfFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "compose.yaml")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(composeText)
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	of := func(since *time.Time, files ...facts.File) facts.Unit {
		t.Helper()
		u := facts.Unit{Name: "web.service", Loaded: &facts.Loaded{ActiveSince: since}, Files: files, Services: []facts.Service{}}
		env := testEnvironment(t)
		env.Config.Stacks = map[string]config.Stack{"web": {Unit: "web.service", Project: "web", Compose: []string{path}}}
		if err := compareApplied(t.Context(), env, "/nix/store", "web", &u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	all := []facts.Service{
		{Name: "app", Containers: 1, HealthCheck: true}, {Name: "migrate", Containers: 1, OneShot: true},
		{Name: "seed", Containers: 1, OneShot: true}, {Name: "worker", Containers: 3},
	}
	for name, tc := range map[string]struct {
		got  facts.Unit
		from string
		want []facts.Service
	}{
		"as they were":                 {of(&later), facts.ServicesFromFiles, all},
		"changed since":                {of(&earlier), facts.ServicesFromChangedFiles, all},
		"of a unit that is not active": {of(nil), facts.ServicesFromChangedFiles, all},
		"of a generation to come":      {of(&later, facts.File{State: facts.StatePending}), "", []facts.Service{}},
	} {
		if tc.got.ServicesFrom != tc.from || !slices.Equal(tc.got.Services, tc.want) {
			t.Errorf("%s: from %q: %+v", name, tc.got.ServicesFrom, tc.got.Services)
		}
	}
	for _, text := range []string{
		"services: [", "services: {app: {scale: many}}", "services: {app: {scale: ${N}}}", "services: {app: {restart: $R}}",
		"include: [other.yaml]\nservices: {app: {}}", "services: {app: {extends: {file: other.yaml, service: x}}}", "services: 7",
	} {
		put(text)
		if u := of(&later); u.ServicesFrom != "" || len(u.Services) != 0 {
			t.Errorf("%s: is understood as %+v", text, u.Services)
		}
	}
}
