package drill

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"stackpolicy/lab/sandbox"
)

// Outside says where the operator's own files and manager are, which a drill must not touch.
type Outside struct {
	ConfigHome, StateHome, DataHome string
	RuntimeDir                      string // "" without one
}

// Bounds on what is compared.
const (
	maxOutside      = 50_000 // files
	managerLimit    = 10 * time.Second
	maxManagerBytes = 16 << 20
)

// look returns the outside as it is now, by path, cgroup and unit. What cannot be read has its
// error in it, so that it is no difference.
func (o Outside) look(ctx context.Context) picture {
	p := picture{units: map[string]string{}, files: map[string]string{}}
	for _, root := range o.folders() {
		if err := addFiles(p.files, root, maxOutside); err != nil {
			p.files[root+" ("+err.Error()+")"] = ""
		}
	}
	if o.RuntimeDir != "" {
		entries, _ := os.ReadDir(o.RuntimeDir)
		for _, e := range entries {
			p.files[filepath.Join(o.RuntimeDir, e.Name())] += " " + e.Type().String()
		}
	}
	for path := range p.files {
		if isPassing(filepath.Base(path)) || path == filepath.Join(o.RuntimeDir, "systemd/transient") ||
			strings.HasPrefix(path, filepath.Join(o.RuntimeDir, "systemd/propagate")) { // the manager's own workplace
			delete(p.files, path)
		}
	}
	addCgroups(p.units)
	o.addManager(ctx, p.units)
	return p
}

func (o Outside) folders() []string {
	all := []string{
		filepath.Join(o.ConfigHome, "systemd"), filepath.Join(o.ConfigHome, "stackpolicy"),
		filepath.Join(o.StateHome, "stackpolicy"), filepath.Join(o.DataHome, "systemd"),
	}
	if o.RuntimeDir != "" {
		all = append(all, filepath.Join(o.RuntimeDir, "systemd"), filepath.Join(o.RuntimeDir, "stackpolicy"))
	}
	return all
}

// ofHealthCheck is the name of the units with which podman checks a container's health. They
// come and go.
var ofHealthCheck = regexp.MustCompile(`^[0-9a-f]{64}(-[0-9a-f]+)?\.(timer|service)$|^run-.*\.scope$|^podman-[0-9]+\.scope$|^libpod-.*\.scope$`)

func isPassing(name string) bool { return ofHealthCheck.MatchString(name) }

// addCgroups adds those below the own one. Those of other sandboxes are theirs. In the root of
// the hierarchy, all that runs on the machine has its cgroups, which come and go.
func addCgroups(into map[string]string) {
	own, err := sandbox.OwnCgroup()
	if err != nil || isRoot(own) {
		return
	}
	n := 0
	_ = filepath.WalkDir(own, func(path string, d fs.DirEntry, err error) error {
		if n++; n > maxOutside {
			return errors.New("too many")
		}
		if err != nil {
			return nil
		}
		if strings.HasPrefix(d.Name(), "stackpolicy-lab-") {
			return fs.SkipDir
		}
		if d.IsDir() && !isPassing(d.Name()) {
			into["cgroup "+path] = ""
		}
		return nil
	})
}

// isRoot reports whether a cgroup is the root of its hierarchy, as far as it can be seen: only
// the root has no file cgroup.type (cgroups(7)).
func isRoot(cgroup string) bool {
	_, err := os.Stat(filepath.Join(cgroup, "cgroup.type"))
	return errors.Is(err, fs.ErrNotExist)
}

// addManager adds what the operator's own manager says: when it read its units last, which
// units it has, and how those are that have names of the scene.
func (o Outside) addManager(ctx context.Context, into map[string]string) {
	if o.RuntimeDir == "" {
		return
	}
	if _, err := os.Stat(filepath.Join(o.RuntimeDir, "systemd/private")); err != nil {
		return
	}
	into["your user manager: its last reload"] = ask(ctx, "show", "--property=UnitsLoadTimestampMonotonic,GeneratorsStartTimestampMonotonic")
	for line := range strings.Lines(ask(ctx, "list-units", "--all", "--plain", "--no-legend", "--no-pager", "--full")) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); name != "" && !isPassing(name) {
			into["your user manager: unit "+name] = ""
		}
	}
	for block := range strings.SplitSeq(ask(ctx, append([]string{"show", "--property=Id,ActiveState,InvocationID"}, wanted...)...), "\n\n") {
		if _, id, is := strings.Cut(block, "Id="); is {
			id, _, _ = strings.Cut(id, "\n")
			into["your user manager: state of "+id] = strings.TrimSpace(block)
		}
	}
}

// ask runs systemctl --user outside of the sandbox, for reading. Without an answer it is "".
func ask(ctx context.Context, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, managerLimit)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "systemctl", append([]string{"--user"}, args...)...)
	cmd.Stdout = &out
	cmd.WaitDelay = time.Second
	if cmd.Run() != nil || out.Len() > maxManagerBytes {
		return ""
	}
	return out.String()
}
