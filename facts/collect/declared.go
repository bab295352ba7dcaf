package collect

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/homemanager"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// An activation that is older than this and not done was interrupted.
const activationLimit = 15 * time.Minute

// systemBusLimit bounds the question for the activation's unit. It is shorter than the
// connection's own limit.
const systemBusLimit = 1500 * time.Millisecond

var homeManagerRow = collector{name: "home-manager", limit: 5 * time.Second, fills: []string{"declared"}}

// declaration is what the Home Manager generation declares. Without Home Manager it has no
// generation and no files.
type declaration struct {
	section    *facts.Declared
	generation *homemanager.Generation
	files      map[string]string // path in the home -> what its link must point to
	pending    map[string]string // the same for the generation whose activation did not end; nil without one
	quadlets   map[string]string // quadlet source that is declared, or that the configuration manages -> the unit it becomes
}

// collectHomeManager collects all of declared, except its patterns: they are matched when
// the units are known.
func collectHomeManager(ctx context.Context, e Environment) (declaration, error) {
	roots := homemanager.Roots(e.StateHome, e.Name)
	g, err := homemanager.Current(roots)
	if err != nil {
		return declaration{}, err
	}
	d := declaration{generation: g, files: map[string]string{}, section: &facts.Declared{
		Activation: facts.Activation{State: "none", Ahead: []string{}}, Patterns: []facts.Pattern{}, Backups: []facts.Backup{},
	}}
	if g != nil {
		if d.files, err = declaredFiles(ctx, e, g); err == nil {
			err = fillDeclared(ctx, d.section, e, g, roots, d.files)
		}
		if err == nil {
			d.pending, err = pendingFiles(ctx, e, g, &d.section.Activation)
		}
	}
	if err == nil {
		d.section.Nameless, err = nameless(e, d.files)
	}
	if err == nil {
		d.quadlets, err = quadletUnits(e.QuadletDir(), d.files, e.Config)
	}
	for path, unit := range d.quadlets {
		if !unitfile.Valid(unit) {
			d.section.Nameless = append(d.section.Nameless, path)
			delete(d.quadlets, path)
		}
	}
	slices.Sort(d.section.Nameless)
	return d, err
}

// nameless lists the files that the generation declares, or that are in the folder and match
// a pattern of the configuration, and whose names systemd refuses.
func nameless(e Environment, declared map[string]string) (paths []string, err error) {
	for path := range declared {
		if filepath.Dir(path) == e.UnitDir() && unitfile.IsRefused(filepath.Base(path)) {
			paths = append(paths, path)
		}
	}
	onDisk, err := unitfile.Entries(e.UnitDir(), maxFolder)
	for _, name := range onDisk {
		path := filepath.Join(e.UnitDir(), name)
		if unitfile.IsRefused(name) && isConfigured(e.Config, name) && declared[path] == "" {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths, err
}

// fill copies the section, because the patterns are added to it later.
func (d declaration) fill(doc *facts.Document) {
	section := *d.section
	doc.Declared = &section
}

// store returns the folder of the Nix store.
func (d declaration) store() string {
	if d.generation == nil {
		return "/nix/store"
	}
	return d.generation.Store
}

// pendingFiles are what the generation declares whose activation did not reach its
// end; nil without one.
func pendingFiles(ctx context.Context, e Environment, g *homemanager.Generation, a *facts.Activation) (map[string]string, error) {
	p := g.Pending(a.Ahead)
	if p == nil {
		return nil, nil
	}
	a.Pending = p.Files
	return declaredFiles(ctx, e, p)
}

func declaredFiles(ctx context.Context, e Environment, g *homemanager.Generation) (map[string]string, error) {
	all := map[string]string{}
	for _, folder := range []string{e.UnitDir(), e.QuadletDir(), e.DataUnitDir()} {
		some, err := g.Declared(ctx, e.Home, folder)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, some)
	}
	return all, nil
}

// origin is [Environment.origin]. A unit of a package that the generation declares is the
// user's.
func (d declaration) origin(e Environment, path string) string {
	if within(path, e.DataUnitDir()) && d.files[path] != "" {
		return facts.OriginUser
	}
	return e.origin(path)
}

func fillDeclared(ctx context.Context, d *facts.Declared, e Environment, g *homemanager.Generation, roots []string, paths map[string]string) error {
	d.Source, d.Generation, d.FilesDir = "home-manager", g.Path, g.Files
	if rel, err := filepath.Rel(e.Home, e.UnitDir()); err == nil && !strings.HasPrefix(rel, "..") {
		d.UnitDir = filepath.Join(g.Files, rel)
	}
	service, err := activationService(ctx, e.Name)
	if err != nil {
		return err
	}
	if d.Activation, err = activation(ctx, e, g, roots, service); err != nil {
		return err
	}
	found, err := homemanager.Backups(ctx, paths)
	for _, b := range found {
		certain := service != nil && service.BackupExtension == b.Extension
		d.Backups = append(d.Backups, facts.Backup{Path: b.Path, Of: b.Of, Certain: certain})
	}
	return err
}

func activation(ctx context.Context, e Environment, g *homemanager.Generation, roots []string, service *facts.ActivationService) (a facts.Activation, err error) {
	begun, err := homemanager.Begun(roots)
	if err != nil {
		return a, err
	}
	if service != nil && service.Generation != "" {
		service.IsCurrent = g.IsOf(service.Generation)
	}
	ahead := []string{}
	for _, folder := range []string{e.UnitDir(), e.QuadletDir(), e.DataUnitDir()} {
		some, err := g.Ahead(ctx, folder)
		if err != nil {
			return a, err
		}
		ahead = append(ahead, some...)
	}
	return facts.Activation{State: activationState(begun, len(ahead), e.Now(), service), Ahead: ahead, Service: service, Since: timeOrNil(begun)}, nil
}

// activationState returns the state of the activation. The NixOS module's unit knows
// whether it runs or failed. Without that unit, the age of new-home distinguishes a running
// activation from one that was killed.
func activationState(begun time.Time, ahead int, now time.Time, service *facts.ActivationService) string {
	switch {
	case service != nil && service.ActiveState == "activating":
		return "running"
	case service != nil && service.ActiveState == "failed":
		return "failed"
	case !begun.IsZero() && service == nil && now.Sub(begun) < activationLimit:
		return "running"
	case !begun.IsZero() || ahead > 0:
		return "half-finished"
	}
	return "current"
}

// activationService asks the machine's manager for the NixOS module's unit. It returns nil
// if the unit does not exist or there is no readable system bus. A system bus that does not
// answer is an error: it may hide an activation that failed.
func activationService(ctx context.Context, user string) (*facts.ActivationService, error) {
	ctx, cancel := context.WithTimeout(ctx, systemBusLimit)
	defer cancel()
	conn, err := systemd.DialSystem(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("ask the system bus for the activation's unit: %w", err)
	}
	if err != nil {
		return nil, nil
	}
	defer conn.Close()
	units, err := conn.Units(ctx, []string{"home-manager-" + systemd.Escape(user) + ".service"}, nil)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("ask the system bus for the activation's unit: %w", err)
	}
	if err != nil || units[0].LoadState != "loaded" || units[0].Service == nil {
		return nil, nil
	}
	s := &facts.ActivationService{Name: units[0].ID, ActiveState: units[0].ActiveState, Result: units[0].Service.Result}
	for _, c := range units[0].Service.ExecStart { // the generation is the last argument of the NixOS module's command
		if n := len(c.Argv); n > 0 && strings.HasSuffix(c.Argv[n-1], "-home-manager-generation") {
			s.Generation = c.Argv[n-1]
		}
	}
	for _, v := range units[0].Service.Environment {
		key, value, _ := strings.Cut(v, "=")
		switch key {
		case "HOME_MANAGER_BACKUP_EXT":
			s.BackupExtension = value
		case "HOME_MANAGER_BACKUP_OVERWRITE":
			s.BackupOverwrite = value != ""
		}
	}
	return s, nil
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
