package collect

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
)

const composeFile = `services:
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
	put(composeFile)
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	of := func(since *time.Time, environ []string, files ...facts.File) facts.Unit {
		t.Helper()
		r := newRun(t.Context(), testEnvironment(t))
		r.loaded = map[string]systemd.Unit{"web.service": {Service: &systemd.Service{Environment: environ}}}
		u := facts.Unit{Name: "web.service", Loaded: &facts.Loaded{ActiveSince: since}, Files: files, Services: []facts.Service{}}
		stack := config.Stack{Unit: "web.service", Project: "web", Compose: []string{path}}
		if err := r.compareApplied(t.Context(), "web", stack, &u); err != nil {
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
		"as they were":                 {of(&later, nil), facts.ServicesFromFiles, all},
		"changed since":                {of(&earlier, nil), facts.ServicesFromChangedFiles, all},
		"of a unit that is not active": {of(nil, nil), facts.ServicesFromChangedFiles, all},
		"with a profile of the unit's": {of(&later, []string{"COMPOSE_PROFILES=debug"}), facts.ServicesFromFiles,
			slices.Insert(slices.Clone(all), 1, facts.Service{Name: "debug", Containers: 1})},
		"of a generation to come": {of(&later, nil, facts.File{State: facts.StatePending}), "", []facts.Service{}},
	} {
		if tc.got.ServicesFrom != tc.from || !slices.Equal(tc.got.Services, tc.want) {
			t.Errorf("%s: from %q: %+v", name, tc.got.ServicesFrom, tc.got.Services)
		}
	}
	put("services: {app: {image: 1, nonsense: 2}}")
	if u := of(&later, nil); u.ServicesFrom != "" || len(u.Services) != 0 {
		t.Errorf("files that cannot be read declare %+v", u.Services)
	}
}
