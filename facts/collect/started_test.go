package collect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
)

func TestStartedBy(t *testing.T) {
	for name, c := range map[string]struct {
		commands []string // their words, separated by spaces; ' surrounds a script
		want     started
	}{
		"all":                   {[]string{"/usr/bin/podman-compose -f /c.yaml up -d"}, started{}},
		"some":                  {[]string{"/usr/bin/podman-compose -f /c.yaml up -d db app"}, started{services: []string{"app", "db"}}},
		"by podman compose":     {[]string{"/usr/bin/podman compose --file /c.yaml up --detach app"}, started{services: []string{"app"}}},
		"by docker-compose":     {[]string{"/usr/bin/docker-compose -p web up --scale app=2 --pull always -t 5 app"}, started{services: []string{"app"}}},
		"podman-compose's pull": {[]string{"podman-compose up --pull app"}, started{services: []string{"app"}}},
		"alone":                 {[]string{"podman-compose up -d --no-deps app"}, started{services: []string{"app"}, alone: true}},
		"through env":           {[]string{"/usr/bin/env A=b podman-compose up -d app"}, started{services: []string{"app"}}},
		"by a script":           {[]string{"/bin/sh -c 'cd /srv && podman-compose up -d app'"}, started{services: []string{"app"}}},
		"by a script, all":      {[]string{"/bin/sh -c 'podman-compose pull; podman-compose up -d'"}, started{}},
		"by two commands":       {[]string{"podman-compose up -d db", "podman-compose up -d app db"}, started{services: []string{"app", "db"}}},
		"then all":              {[]string{"podman-compose up -d db", "podman-compose up -d"}, started{}},
		"something before it":   {[]string{"/bin/echo up app", "podman-compose up -d app"}, started{services: []string{"app"}}},
		"another verb":          {[]string{"podman-compose pull app"}, started{}},
		"stackctl":              {[]string{"/usr/bin/stackctl apply web"}, started{}},
		"a program of its own":  {[]string{"/srv/start up app"}, started{}},
		"nothing":               {nil, started{}},
	} {
		var commands []systemd.Exec
		for _, text := range c.commands {
			before, script, isScript := strings.Cut(text, "'")
			argv := strings.Fields(before)
			if isScript {
				argv = append(argv, strings.TrimSuffix(script, "'"))
			}
			commands = append(commands, systemd.Exec{Path: argv[0], Argv: argv})
		}
		if got := startedBy(commands); !slices.Equal(got.services, c.want.services) || got.alone != c.want.alone {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// TestServicesThatAreStarted: of several files a later one counts, and of a unit that names
// services only these and what they depend on.
func TestServicesThatAreStarted(t *testing.T) {
	const base = `services:
  app: {depends_on: [db], restart: always}
  db: {healthcheck: {test: ["CMD", "true"]}, depends_on: {seed: {condition: service_completed_successfully}}}
  seed: {}
  other: {}
  debug: {profiles: [debug]}
`
	const over = `services:
  db: {healthcheck: {disable: true}}
  other: {scale: 2, restart: "no"}
  more: {}
`
	since := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		files  []string
		starts started
		want   []facts.Service // nil: it is not understood
	}{
		"one file": {[]string{base}, started{}, []facts.Service{
			{Name: "app", Containers: 1}, {Name: "db", Containers: 1, HealthCheck: true}, {Name: "other", Containers: 1}, {Name: "seed", Containers: 1, OneShot: true},
		}},
		"two files": {[]string{base, over}, started{}, []facts.Service{
			{Name: "app", Containers: 1}, {Name: "db", Containers: 1}, {Name: "more", Containers: 1}, {Name: "other", Containers: 2, OneShot: true}, {Name: "seed", Containers: 1, OneShot: true},
		}},
		"a service and what it needs": {[]string{base, over}, started{services: []string{"app"}}, []facts.Service{
			{Name: "app", Containers: 1}, {Name: "db", Containers: 1}, {Name: "seed", Containers: 1, OneShot: true},
		}},
		"a service alone":          {[]string{base}, started{services: []string{"app"}, alone: true}, []facts.Service{{Name: "app", Containers: 1}}},
		"one with a profile":       {[]string{base}, started{services: []string{"debug"}}, []facts.Service{{Name: "debug", Containers: 1}}},
		"one that does not exist":  {[]string{base}, started{services: []string{"ap"}}, []facts.Service{}},
		"a later file resets":      {[]string{base, "services: {app: {restart: !reset null}}"}, started{}, nil},
		"a later file is included": {[]string{base, "include: [x.yaml]"}, started{}, nil},
		"a file that is gone":      {[]string{base, ""}, started{}, nil},
	} {
		dir := t.TempDir()
		var paths []string
		for i, text := range c.files {
			path := filepath.Join(dir, []string{"compose.yaml", "override.yaml"}[i])
			paths = append(paths, path)
			if text == "" {
				continue
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		u := facts.Unit{Name: "web.service", Services: []facts.Service{}, Loaded: &facts.Loaded{ActiveSince: &since, StartsServices: c.starts.services, StartsAlone: c.starts.alone}}
		if err := servicesOf(t.Context(), config.Stack{Compose: paths}, "/nix/store", &u); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(u.Services, c.want) || (u.ServicesFrom == facts.ServicesFromFiles) != (c.want != nil) {
			t.Errorf("%s: from %q: %+v, want %+v", name, u.ServicesFrom, u.Services, c.want)
		}
	}
}
