package collect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

func TestStopsContainers(t *testing.T) {
	for command, want := range map[string]string{
		"/usr/bin/podman-compose down":                                                     "podman-compose down",
		"/usr/bin/podman-compose -f /s/compose.yaml -p web down":                           "podman-compose down",
		"/usr/bin/podman-compose --file=/s/compose.yaml stop app":                          "podman-compose stop",
		"/usr/bin/podman compose -f down.yaml down --volumes":                              "podman compose down",
		"/usr/bin/docker --context x compose rm -f":                                        "docker compose rm",
		"/usr/bin/docker-compose kill":                                                     "docker-compose kill",
		"/usr/bin/podman --log-level info stop -t 10 web":                                  "podman stop",
		"/usr/bin/podman pod stop web":                                                     "podman pod stop",
		"/usr/bin/podman kube down /s/web.yaml":                                            "podman kube down",
		"/usr/bin/env A=b podman rm -f web":                                                "podman rm",
		"/usr/bin/timeout 30 /opt/bin/podman-compose down":                                 "podman-compose down",
		"/bin/sh -c 'cd /s && podman compose down'":                                        "podman compose down",
		"/bin/bash -ec 'if true; then exec podman-compose down; fi'":                       "podman-compose down",
		"/usr/bin/stackctl down web":                                                       "",
		"/usr/bin/podman-compose logs down":                                                "",
		"/usr/bin/podman-compose -f down logs":                                             "",
		"/usr/bin/podman exec web stop":                                                    "",
		"/usr/bin/podman network rm web":                                                   "",
		"/usr/bin/podman volume rm web":                                                    "",
		"/usr/bin/podman image rm web":                                                     "",
		"/usr/bin/podman":                                                                  "",
		"/usr/bin/podman compose":                                                          "",
		"/bin/echo podman stop":                                                            "",
		"/home/ada/bin/stop-web":                                                           "",
		"/bin/sh -c 'systemctl --user list-jobs | grep -q restart || podman compose down'": "",
		"/bin/sh /home/ada/stop.sh -c":                                                     "",
		"/bin/sh -c":                                                                       "",
		"":                                                                                 "",
	} {
		parsed, ok := unitfile.ParseCommand(command, unitfile.NameSpecifiers("web.service"))
		if command != "" && !ok {
			t.Fatalf("%s cannot be read", command)
		}
		if got := stopsContainers(parsed.Argv); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}

// Neither a path's folder nor an argument is recorded.
func TestStopCommands(t *testing.T) {
	lines := []string{"-/opt/podman-compose --podman-args=--password=hunter2 down", "/bin/%Q", "/bin/true"}
	got := stopCommands(lines, unitfile.NameSpecifiers("web.service"))
	want := []facts.StopCommand{
		{Path: "/opt/podman-compose", IgnoreFailure: true, StopsContainers: "podman-compose down"}, {Path: "/bin/true"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if strings.Contains(text(t, got), "hunter2") {
		t.Error("a secret is recorded")
	}
}

// The result of a reload is asked for units whose file has an ExecReload= alone.
func TestReloadResults(t *testing.T) {
	env := testEnvironment(t)
	m := &fakeManager{units: map[string]systemd.Unit{}}
	for name, content := range map[string]string{
		"web.service": "[Service]\nExecStart=/bin/a\nExecReload=/bin/b\nExecStop=/bin/podman stop x\n", "db.service": "[Service]\nExecStart=/bin/a\n",
	} {
		path := filepath.Join(env.UnitDir(), name)
		rewrite(t, path)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		m.units[name] = systemd.Unit{ID: name, LoadState: "loaded", ActiveState: "active", FragmentPath: path, Service: &systemd.Service{}}
		m.listed = append(m.listed, systemd.Listed{Name: name, LoadState: "loaded", ActiveState: "active"})
	}
	doc := collect(t.Context(), env, m.survey)
	web, db := unitOf(t, doc, "web.service"), unitOf(t, doc, "db.service")
	if web.Loaded.ReloadResult != "exit-code" || db.Loaded.ReloadResult != "" {
		t.Errorf("web %q, db %q", web.Loaded.ReloadResult, db.Loaded.ReloadResult)
	}
	if len(web.Loaded.Stop) != 1 || web.Loaded.Stop[0].StopsContainers != "podman stop" || db.Loaded.Stop != nil {
		t.Errorf("web stops by %+v, db by %+v", web.Loaded.Stop, db.Loaded.Stop)
	}
}
