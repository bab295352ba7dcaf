package collect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/facts"
	"stackpolicy/internal/times"
	"stackpolicy/internal/unitfile"
)

// actingSettings are the settings by which a reload itself starts or stops units: systemd
// starts what an active unit upholds, and stops an active unit that is bound to an inactive
// one, or that nothing needs (systemd.unit(5); seen on 252 and 257).
var actingSettings = []string{"Unit.Upholds", "Unit.BindsTo", "Unit.StopWhenUnneeded"}

// acting lists the files of units that are not managed, by which a reload would act, and that
// changed since the last load. All files of managed units are listed with these. What a
// generator wrote is left out, because a reload writes it again, and so are transient units.
func (r managerReader) acting(env Environment, loaded loadedUnits) ([]facts.ManagerFile, error) {
	if loaded.index == nil {
		return nil, nil
	}
	paths, upholds := loaded.index.Others(func(unit string) bool { return loaded.managed[unit] != "" })
	if r.manager.NoUphold {
		upholds = nil
	}
	var found []facts.ManagerFile
	for _, path := range append(paths, upholds...) {
		isLink := strings.HasSuffix(filepath.Dir(path), ".upholds")
		p := actingPlace(env, path)
		if !r.mayBeNews(p, path) || !isLink && !acts(path) {
			continue
		}
		f, err := r.read(p, filepath.Base(path))
		if err != nil {
			return nil, err
		}
		if isLink { // the name counts, wherever it leads
			f.Effective = f.FirstHop != "" && f.FirstHop != os.DevNull
		}
		if found = append(found, f); len(found) > maxManagerFiles {
			return nil, fmt.Errorf("more than %d unit files by which a reload acts changed since the last one", maxManagerFiles)
		}
	}
	return found, nil
}

func actingPlace(env Environment, path string) place {
	folder := filepath.Dir(path)
	return place{
		role: facts.RoleActing, folder: folder,
		isUser: within(path, env.Home) || within(path, env.ConfigHome) || within(path, env.RuntimeDir),
		isBusy: !slices.Contains([]string{".d", ".upholds"}, filepath.Ext(folder)),
	}
}

// mayBeNews reports whether the file may have changed since the last load.
func (r managerReader) mayBeNews(p place, path string) bool {
	isTransient := p.isBusy && filepath.Base(p.folder) == "transient"
	if isTransient || strings.Contains(path, "/systemd/generator") {
		return false
	}
	changed := unitfile.ChangedAt(path, r.judge.declared.store())
	if info, err := os.Stat(p.folder); err == nil && !p.isBusy {
		changed = times.Later(changed, changeTime(info))
	}
	return r.manager.IsAfterLoad(changed)
}

// acts reports whether a file has one of the settings, or may have: it is too large to read.
func acts(path string) bool {
	settings, err := unitfile.Read([]string{path})
	return err != nil || slices.ContainsFunc(actingSettings, func(key string) bool { return len(settings.All(key)) > 0 })
}
