package collect

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/facts"
	"stackpolicy/facts/drift"
	"stackpolicy/internal/times"
	"stackpolicy/internal/unitfile"
)

// Bounds on what the manager reads besides unit files.
const (
	maxManagerFiles = 1000    // in one folder
	maxManagerFile  = 1 << 20 // bytes; generators that are larger are not digested
)

// place is a folder in which the manager looks for files of one role. Of files with
// one name the one in the first folder counts.
type place struct {
	role   string
	folder string
	file   string // the only file in it that counts; "" is all of its suffix
	suffix string
	isUser bool // a folder of the user's
	isBusy bool // it changes all the time, and nobody moves it as a whole
}

// managerPlaces lists where the manager looks, in its order: environment.d(5),
// systemd.environment-generator(7), systemd.generator(7), systemd-user.conf(5), and
// the names of folders in the programs of systemd 252 and 257. The user has no
// folder for generators.
func (e Environment) managerPlaces() []place {
	var places []place
	below := func(role, suffix, name string, roots ...string) {
		for _, root := range roots {
			places = append(places, place{role: role, folder: filepath.Join(e.Root, root, name), suffix: suffix})
		}
	}
	user := func(p place) { p.isUser = true; places = append(places, p) }
	below(facts.RoleEnvironmentGenerator, "", "systemd/user-environment-generators", "/run", "/etc", "/usr/local/lib", "/usr/lib")
	user(place{role: facts.RoleEnvironment, folder: filepath.Join(e.ConfigHome, "environment.d"), suffix: ".conf"})
	below(facts.RoleEnvironment, ".conf", "environment.d", "/etc", "/run", "/usr/local/lib", "/usr/lib")
	below(facts.RoleGenerator, "", "systemd/user-generators", "/run", "/etc", "/usr/local/lib", "/usr/lib")
	user(place{role: facts.RoleConfiguration, folder: filepath.Join(e.ConfigHome, "systemd"), file: "user.conf"})
	for _, root := range []string{"/etc", "/run", "/usr/local/lib", "/usr/lib"} {
		places = append(places, place{role: facts.RoleConfiguration, folder: filepath.Join(e.Root, root, "systemd"), file: "user.conf"})
	}
	user(place{role: facts.RoleConfiguration, folder: filepath.Join(e.ConfigHome, "systemd/user.conf.d"), suffix: ".conf"})
	below(facts.RoleConfiguration, ".conf", "systemd/user.conf.d", "/etc", "/run", "/usr/local/lib", "/usr/lib")
	return places
}

// managerFiles lists what a reload reads besides unit files, and the unit files by which it
// acts.
func managerFiles(ctx context.Context, env Environment, judge *judge, manager *drift.Manager, loaded loadedUnits) (*facts.ManagerFiles, error) {
	r := managerReader{
		ctx: ctx, root: env.Root, judge: judge, manager: manager,
		looker: unitfile.NewLooker(judge.declared.store()), system: newSystemOwner(env.Root), key: env.digestKey(),
	}
	r.looker.MaxDigest = maxManagerFile
	found := &facts.ManagerFiles{Files: []facts.ManagerFile{}}
	taken := map[string]bool{}
	for _, p := range env.managerPlaces() {
		names, err := p.names()
		if err != nil {
			return nil, fmt.Errorf("read what the manager reads: %w", err)
		}
		for _, name := range names {
			f, err := r.read(p, name)
			if err != nil {
				return nil, err
			}
			key := p.role + "/" + name
			f.Effective = f.Effective && !taken[key]
			taken[key] = p.file == "" // every user.conf is read
			found.Files = append(found.Files, f)
		}
	}
	acting, err := r.acting(env, loaded)
	found.Files = append(found.Files, acting...)
	return found, err
}

// managerReader reads one file after the other.
type managerReader struct {
	ctx     context.Context
	root    string
	judge   *judge
	manager *drift.Manager
	looker  *unitfile.Looker
	system  *systemOwner
	key     digestKey
}

// names lists the files of the place that are there, in order. Where this account
// may not look, its manager may not either.
func (p place) names() ([]string, error) {
	if p.file != "" {
		if _, err := os.Lstat(filepath.Join(p.folder, p.file)); err != nil {
			return nil, nil
		}
		return []string{p.file}, nil
	}
	names, err := unitfile.Entries(p.folder, maxManagerFiles)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, ".") || !strings.HasSuffix(n, p.suffix) })
	return names, nil
}

// read describes one file. Effective is about the file alone.
func (r managerReader) read(p place, name string) (facts.ManagerFile, error) {
	path := filepath.Join(p.folder, name)
	f, err := r.looker.Stat(r.ctx, path)
	if err != nil {
		return facts.ManagerFile{}, fmt.Errorf("read what the manager reads: %w", err)
	}
	out := facts.ManagerFile{Path: path, Role: p.role, FirstHop: f.FirstHop, Target: f.Target, UID: f.UID, Digest: f.Digest, Mtime: timeOrNil(f.Mtime)}
	if p.role == facts.RoleEnvironment {
		out.Digest = r.key.of(f.Digest)
	}
	if f.Target != "" {
		out.Mode = fmt.Sprintf("%04o", f.Mode&fs.ModePerm)
	}
	out.Origin = r.origin(p, f)
	changed := f.Changed
	if info, err := os.Stat(p.folder); err == nil && out.Origin == facts.OriginUndeclared && !p.isBusy { // a folder may be moved here with all that is in it
		changed = times.Later(changed, changeTime(info))
	}
	out.ChangedAt = timeOrNil(changed)
	out.ChangedAfterLoad = !changed.IsZero() && r.manager.IsAfterLoad(changed)
	program := p.role == facts.RoleGenerator || p.role == facts.RoleEnvironmentGenerator
	info, err := os.Stat(path)
	out.Effective = err == nil && info.Mode().IsRegular() && (!program || f.Mode&0o111 != 0)
	return out, nil
}

// origin says where a file comes from. See the schema of ManagerFile.Origin.
func (r managerReader) origin(p place, f unitfile.File) string {
	switch {
	case !p.isUser && !r.system.alone(f.Path):
		return facts.OriginUnsafe
	case !p.isUser && strings.HasPrefix(p.folder, filepath.Join(r.root, "/usr/lib")+"/"):
		return facts.OriginDistribution
	case !p.isUser:
		return facts.OriginAdministrator
	case r.judge.declared.generation != nil && r.judge.declared.generation.IsCurrent(f.FirstHop):
		return facts.OriginDeclared
	case f.Target != "" && !r.judge.owned(f):
		return facts.OriginUnsafe
	case r.judge.declared.generation == nil:
		return facts.OriginOwn
	}
	return facts.OriginUndeclared
}
