package scene

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Container is a container in the output of the simulated podman.
type Container struct {
	Name, Unit, Project, Service string
	State, Health                string // podman's words; State "" is running
	ExitCode, Restarts           int
	RestartPolicy, AutoUpdate    string
	Image                        string            // image id; "" is ImageID
	Created, Started             time.Time         // the zero time is a time long ago
	Labels                       map[string]string // more labels
}

// ImageID is the image id of every simulated container.
const ImageID = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// Info is what the simulated podman says of its storage: its runroot is on a tmpfs.
const Info = `{"store":{"runRoot":"/dev/shm","graphRoot":"/"}}`

// simulated is a podman that answers `ps` and `inspect` from files, has an event for each
// change of them, and reports that all images are current. It is for states that are hard to
// cause with a real podman. A file .podman-info.json in the home replaces Info.
const simulated = `#!/bin/sh
[ -e "$HOME/.podman-hangs" ] && exec sleep 600
case $1 in
ps) exec cat "$HOME/.podman-ps.json" ;;
inspect) exec cat "$HOME/.podman-inspect.json" ;;
images) echo '[{"Id":"` + ImageID + `","Names":["localhost/sample:1"]}]'; exit ;;
events)
	case "$*" in *--stream=false*) exit ;; esac
	exec tail -n +1 -F "$HOME/.podman-events" 2>/dev/null ;;
info) [ -e "$HOME/.podman-info.json" ] && exec cat "$HOME/.podman-info.json"; echo '` + Info + `'; exit ;;
esac
echo "simulated podman: unknown verb $1" >&2
exit 125
`

// Podman puts a simulated podman with these containers on the account's PATH. A later
// call replaces the containers.
func (s *Scene) Podman(containers ...Container) error {
	return errors.Join(s.SilentPodman(containers...), s.PodmanEvent())
}

// SilentPodman is Podman without an event.
func (s *Scene) SilentPodman(containers ...Container) error {
	rows, details := []any{}, []any{}
	for i, c := range containers {
		id := fmt.Sprintf("%064x", i+1)
		rows = append(rows, map[string]any{"Id": id, "Names": []string{c.Name}})
		details = append(details, c.inspected(id))
	}
	ps, err1 := json.Marshal(rows)
	inspect, err2 := json.Marshal(details)
	return errors.Join(err1, err2,
		s.Write(filepath.Join(s.Home, ".podman-ps.json"), string(ps)),
		s.Write(filepath.Join(s.Home, ".podman-inspect.json"), string(inspect)),
		os.WriteFile(filepath.Join(s.BinDir, "podman"), []byte(simulated), 0o755))
}

// PodmanEvent lets those who follow the simulated podman read its containers again.
func (s *Scene) PodmanEvent() error {
	path := filepath.Join(s.Home, ".podman-events")
	if _, err := os.Lstat(path); err != nil {
		return s.Write(path, changedEvent)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(changedEvent)
	return errors.Join(err, f.Close())
}

const changedEvent = `{"Type":"container","Status":"start","Name":"any","ID":"any"}` + "\n"

func (c Container) inspected(id string) map[string]any {
	labels := map[string]string{}
	set := func(key, value string) {
		if value != "" {
			labels[key] = value
		}
	}
	set("PODMAN_SYSTEMD_UNIT", c.Unit)
	set("com.docker.compose.project", c.Project)
	set("com.docker.compose.service", c.Service)
	set("io.containers.autoupdate", c.AutoUpdate)
	for key, value := range c.Labels {
		labels[key] = value
	}
	state := map[string]any{
		"Status": or(c.State, "running"), "ExitCode": c.ExitCode,
		"StartedAt": at(c.Started), "FinishedAt": "0001-01-01T00:00:00Z",
	}
	if c.Health != "" {
		state["Health"] = map[string]any{"Status": c.Health}
	}
	return map[string]any{
		"Id": id, "Name": c.Name, "Created": at(c.Created), "ImageName": "localhost/sample:1", "Image": or(c.Image, ImageID), "RestartCount": c.Restarts, "State": state,
		"Config":     map[string]any{"Labels": labels},
		"HostConfig": map[string]any{"RestartPolicy": map[string]any{"Name": c.RestartPolicy}},
	}
}

// at returns a time as podman writes it.
func at(t time.Time) string {
	if t.IsZero() {
		return "2026-01-01T00:00:00Z"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func or(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}

// Containers returns the containers of the sample stacks, all running and healthy.
func Containers() []Container {
	return []Container{
		{Name: "web-app-1", Unit: "web.service", Project: "web", Service: "app", Health: "healthy"},
		{Name: "web-db-1", Unit: "web.service", Project: "web", Service: "db"},
		{Name: "files-app-1", Unit: "files.service", Project: "files", Service: "app", Health: "healthy"},
		{Name: "files-migrate-1", Unit: "files.service", Project: "files", Service: "migrate", State: "exited"},
		{Name: "feeds-app-1", Unit: "feeds.service", Project: "feeds", Service: "app"},
	}
}
