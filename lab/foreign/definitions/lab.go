package definitions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/unitfile"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/usermanager"
)

const (
	quadletDir    = ".config/containers/systemd"
	commandLimit  = 2 * time.Minute
	probeInstance = "probe" // the instance by which a template is asked for
)

// Layout is how the files come into the home.
type Layout string

// Plain files are managed by a pattern of the configuration; links are Home Manager's.
const (
	Plain Layout = "plain files"
	Links Layout = "Home Manager's links"
)

// Lab is a user manager with stackpolicy. It never starts anything of the files.
type Lab struct {
	scene     *scene.Scene
	generator bool // podman's generator is there
}

// Open starts a manager. program is the path of stackpolicy.
func Open(ctx context.Context, program string, options usermanager.Options) (*Lab, error) {
	s, err := scene.Open(ctx, program, options, base(""))
	if err != nil {
		return nil, err
	}
	if err := s.Podman(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	_, err = os.Stat(s.Path("/usr/lib/systemd/user-generators/podman-user-generator"))
	return &Lab{s, err == nil}, nil
}

// Close ends the manager.
func (l *Lab) Close() error { return l.scene.Close() }

// base is a generation without the sample stacks.
func base(config string) map[string]string {
	declared := map[string]string{".config/stackpolicy/config.yaml": config}
	for _, unit := range scene.Stacks() {
		declared[path.Join(scene.UnitDir, unit)] = "-"
		declared[path.Join(scene.UnitDir, "default.target.wants", unit)] = "-"
	}
	return declared
}

// put replaces all files of the home by those of the groups, has the manager read them, and
// forgets earlier audits.
func (l *Lab) put(ctx context.Context, groups []Group, layout Layout) error {
	if err := l.clear(); err != nil {
		return err
	}
	declared := base("")
	if layout == Plain {
		declared = base("units: [\"*\"]\n")
	} else {
		for _, g := range groups {
			for _, f := range g.Files {
				declared[f.home(g)] = f.declaration()
			}
		}
	}
	if err := l.scene.Activate(declared); err != nil {
		return err
	}
	if layout == Plain {
		if err := l.write(groups); err != nil {
			return err
		}
	}
	return l.reload(ctx)
}

// clear removes what an earlier round left. The sample timer goes too: no rule that is
// asked here is about it.
func (l *Lab) clear() error {
	var errs []error
	for _, dir := range []string{quadletDir, scene.UnitDir, ".local/state"} {
		errs = append(errs, os.RemoveAll(filepath.Join(l.scene.Home, dir)))
	}
	return errors.Join(errs...)
}

func (l *Lab) write(groups []Group) error {
	if err := os.RemoveAll(filepath.Join(l.scene.Home, ".local/state/home-manager")); err != nil {
		return err
	}
	for _, g := range groups {
		for _, f := range g.Files {
			at := filepath.Join(l.scene.Home, f.home(g))
			if f.Link != "" {
				if err := l.scene.Link(f.Link, at); err != nil {
					return err
				}
			} else if err := l.scene.Write(at, f.Text); err != nil {
				return err
			}
		}
	}
	return nil
}

// home is the path of a file in the home. Units have one folder; podman reads the folders
// below its own.
func (f File) home(g Group) string {
	if f.isQuadlet() {
		return path.Join(quadletDir, g.Name, f.Path)
	}
	return path.Join(scene.UnitDir, f.Path)
}

func (f File) declaration() string {
	if f.Link != "" {
		return "-> " + f.Link
	}
	return f.Text
}

func (l *Lab) reload(ctx context.Context) error {
	time.Sleep(scene.ClockTick)
	_, err := l.scene.Systemctl(ctx, "daemon-reload")
	time.Sleep(scene.ClockTick)
	return err
}

// report has the fields of a report that are read here.
type report struct {
	Gaps      []struct{ Collector, Error string }
	Decisions []struct {
		Invariant, Subject, Effect, Severity, Outcome string
		Evidence                                      struct {
			Case, Path string
			Units      []string
		}
	}
}

// audit returns the decisions that are not allow, by subject.
func (l *Lab) audit(ctx context.Context, args ...string) (map[string][]Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	r := l.scene.Stackpolicy(ctx, append([]string{"eval", "-o", "json"}, args...)...)
	var out report
	if err := json.Unmarshal([]byte(r.Out), &out); err != nil {
		return nil, fmt.Errorf("audit: status %d, no report: %w\n%s", r.Code, err, r.Err)
	}
	if len(out.Gaps) > 0 {
		return nil, fmt.Errorf("audit: could not look: %+v", out.Gaps)
	}
	found := map[string][]Finding{}
	for _, d := range out.Decisions {
		if d.Effect == "allow" {
			continue
		}
		f := Finding{Invariant: d.Invariant, Case: d.Evidence.Case, Effect: d.Effect, Severity: d.Severity, Path: d.Evidence.Path}
		subject := d.Subject
		if d.Evidence.Case == "nameless" { // its subject is the host
			subject = f.Path
		}
		for _, s := range append(d.Evidence.Units, subject) {
			found[s] = append(found[s], f)
		}
	}
	return found, nil
}

// refusals returns what stackpolicy has of the generator's refusals, by the quadlet's path.
func (l *Lab) refusals(ctx context.Context) (map[string]facts.QuadletError, map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	r := l.scene.Stackpolicy(ctx, "facts")
	var doc facts.Document
	if err := json.Unmarshal([]byte(r.Out), &doc); err != nil {
		return nil, nil, fmt.Errorf("facts: status %d: %w\n%s", r.Code, err, r.Err)
	}
	refused, units := map[string]facts.QuadletError{}, map[string]string{}
	for _, u := range doc.Units {
		for _, f := range u.Files {
			if f.Role == facts.RoleSource {
				units[f.Path] = u.Name
			}
		}
		for _, e := range u.QuadletErrors {
			refused[e.Path], units[e.Path] = e, u.Name
		}
	}
	return refused, units, nil
}

// made returns the units that podman's generator has made at the last reload, by the path of
// their quadlet: it reads what the generator wrote.
func (l *Lab) made() (map[string]string, error) {
	units := map[string]string{}
	for _, folder := range []string{"generator", "generator.early", "generator.late"} {
		dir := filepath.Join(l.scene.RuntimeDir, "systemd", folder)
		names, err := unitfile.Entries(dir, maxFiles)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() {
				continue // another name of a unit
			}
			s, err := unitfile.Read([]string{filepath.Join(dir, name)})
			if source, ok := s.Last("Unit.SourcePath"); ok && err == nil {
				units[source] = name
			}
		}
	}
	return units, nil
}

// states asks the manager for units, by name. A template is asked for by an instance.
func (l *Lab) states(ctx context.Context, names []string) (map[string]state, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	states := map[string]state{}
	for chunk := range slices.Chunk(names, 200) {
		asked := []string{}
		for _, name := range chunk {
			if unitfile.IsTemplate(name) {
				stem, kind := unitfile.Split(name)
				name = stem + probeInstance + "." + kind
			}
			asked = append(asked, name)
		}
		out, err := l.scene.Systemctl(ctx, append([]string{"show", "--property=LoadState,LoadError,ActiveState,Job", "--"}, asked...)...)
		if err != nil {
			return nil, err
		}
		blocks := strings.Split(out, "\n\n")
		if len(blocks) != len(chunk) {
			return nil, fmt.Errorf("systemctl show: %d answers for %d units", len(blocks), len(chunk))
		}
		for i, block := range blocks {
			states[chunk[i]] = parseState(block)
		}
	}
	return states, nil
}

// state is what the manager says of a unit.
type state struct {
	load, why string
	runs      bool
}

func parseState(block string) state {
	values := map[string]string{}
	for line := range strings.Lines(block) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[key] = value
	}
	_, why, _ := strings.Cut(values["LoadError"], " ")
	return state{
		load: values["LoadState"], why: strings.Trim(why, `"`),
		runs: values["ActiveState"] != "inactive" || values["Job"] != "",
	}
}

// edit adds text to the quadlets, as an editor does.
func (l *Lab) edit(groups []Group, text string) error {
	for _, g := range groups {
		for _, f := range g.Files {
			if f.isQuadlet() && f.isDefinition() && f.Link == "" {
				if err := l.scene.Write(filepath.Join(l.scene.Home, f.home(g)), f.Text+text); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
