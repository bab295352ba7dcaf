package collect

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"stackpolicy/facts"
	"stackpolicy/internal/accounts"
	"stackpolicy/internal/unitfile"
)

// judge compares files with what is declared. Several goroutines may use it.
type judge struct {
	fileOwner
	ctx      context.Context
	declared declaration
	managed  map[string]string // unit -> who manages it
}

func newJudge(ctx context.Context, env Environment, declared declaration, managed map[string]string) (*judge, error) {
	owner, err := accountOwner(env)
	return &judge{fileOwner: owner, ctx: ctx, declared: declared, managed: managed}, err
}

// fileOwner is the account whose files are trusted, as root's are.
type fileOwner struct {
	uid        int
	privateGID int // of its private group, or -1
}

func accountOwner(env Environment) (fileOwner, error) {
	private, err := accounts.PrivateGroup(env.EtcDir, env.Name)
	return fileOwner{env.UID, private}, err
}

func (o fileOwner) trusts(uid int) bool { return uid == o.uid || uid == 0 }

// others are the bits of a file's mode that let somebody else write. The private group
// has no other members, so it may.
func (o fileOwner) others(gid int) fs.FileMode {
	if o.privateGID >= 0 && gid == o.privateGID {
		return 0o002
	}
	return 0o022
}

// state compares a file with its declaration: the Home Manager generation or, for a unit
// that only the configuration manages, the user's own folder.
func (j *judge) state(u facts.Unit, f unitfile.File, out facts.File) (string, error) {
	switch {
	case j.isPending(f, out.Path):
		return facts.StatePending, nil
	case out.DeclaredTarget != "":
		return j.againstGeneration(f, out.DeclaredTarget)
	case out.Origin == facts.OriginGenerator && (u.Quadlet || out.IsOwnLink() && j.managed[out.Of] != ""):
		return facts.StateGenerated, nil
	case j.declared.generation != nil && j.declared.generation.Owns(f.FirstHop) && !j.declared.generation.IsCurrent(f.FirstHop):
		return facts.StateOther, nil
	case u.ManagedBy == facts.ByConfig && out.Origin == facts.OriginUser:
		if isDropIn := out.Role == facts.RoleDropIn || out.Role == facts.RoleSourceDropIn; isDropIn && f.Target == "/dev/null" {
			return facts.StateDeclared, nil // it replaces another one of its name with nothing
		}
		return j.asDeclaration(f), nil
	case j.declared.generation != nil && j.declared.generation.Owns(f.FirstHop):
		return facts.StateOther, nil
	case f.Target == "/dev/null":
		return facts.StateMask, nil
	}
	return facts.StateUndeclared, nil
}

// isPending reports whether what is at a path is as the generation has it whose
// activation did not reach its end, and not as the current one has it. An
// activation removes links as well.
func (j *judge) isPending(f unitfile.File, path string) bool {
	target, declared := j.declared.pending[path]
	switch {
	case j.declared.pending == nil || declared && target == j.declared.files[path]:
		return false
	case f.Kind == unitfile.Missing:
		return !declared
	}
	return declared && f.FirstHop == target && f.Target != ""
}

func (j *judge) againstGeneration(f unitfile.File, target string) (string, error) {
	switch {
	case f.Kind == unitfile.Missing:
		return facts.StateMissing, nil
	case f.Target == "":
		return facts.StateDangling, nil
	case f.FirstHop == target && f.Target == "/dev/null": // a mask that the generation declares
		return facts.StateDeclared, nil
	case f.FirstHop == target && !within(f.Target, j.declared.store()) && !j.owned(f): // mkOutOfStoreSymlink
		return facts.StateUnsafe, nil
	case f.FirstHop == target:
		return facts.StateDeclared, nil
	case f.Target == "/dev/null":
		return facts.StateMask, nil
	case f.Directory:
		return facts.StateDirectory, nil
	case f.Kind == unitfile.Symlink && j.declared.generation.Owns(f.FirstHop):
		return facts.StateOther, nil
	case f.Kind == unitfile.Symlink:
		return facts.StateForeign, nil
	case f.Digest == "":
		return facts.StateUnreadable, nil
	}
	want, err := unitfile.Stat(j.ctx, target, j.declared.store())
	if err != nil {
		return "", err
	}
	if want.Digest != f.Digest {
		return facts.StateDifferent, nil
	}
	if !j.owned(f) {
		return facts.StateUnsafe, nil
	}
	return facts.StateIdentical, nil
}

func (j *judge) asDeclaration(f unitfile.File) string {
	switch {
	case f.Kind == unitfile.Missing:
		return facts.StateMissing
	case f.Target == "/dev/null":
		return facts.StateMask
	case f.Directory:
		return facts.StateDirectory
	case f.Target == "":
		return facts.StateDangling
	case f.Digest == "":
		return facts.StateUnreadable
	case !j.owned(f):
		return facts.StateUnsafe
	}
	return facts.StateDeclared
}

// owned reports whether only the user, or root, can change the file where a link leads, or
// put another one there.
func (j *judge) owned(f unitfile.File) bool {
	isOpen := f.Kind == unitfile.Symlink && j.isOpenFolder(filepath.Dir(f.Target))
	return j.trusts(f.UID) && f.Mode&j.others(f.GID) == 0 && !isOpen
}

// isOpenFolder reports whether others than the user and root can put a file into a folder.
func (o fileOwner) isOpenFolder(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	return !o.trusts(int(ownerOf(info))) || info.Mode()&o.others(int(groupOf(info))) != 0
}

// openFolders lists the folders of unit files and quadlets, those of drop-ins and links in
// them, and their parents up to the home, into which others can put files.
func openFolders(e Environment) ([]string, error) {
	owner, err := accountOwner(e)
	if err != nil {
		return nil, err
	}
	var open []string
	add := func(path string) {
		if owner.isOpenFolder(path) && !slices.Contains(open, path) {
			open = append(open, path)
		}
	}
	for _, folder := range []string{e.UnitDir(), e.QuadletDir()} {
		names, err := unitfile.Entries(folder, maxFolder)
		if err != nil {
			return nil, err
		}
		add(folder) // XDG_CONFIG_HOME may be outside the home
		for up := folder; within(up, e.Home) || up == e.Home; up = filepath.Dir(up) {
			add(up)
		}
		for _, name := range names {
			if slices.Contains([]string{".d", ".wants", ".requires", ".upholds"}, filepath.Ext(name)) {
				add(filepath.Join(folder, name))
			}
		}
	}
	slices.Sort(open)
	return open, nil
}

// maxFolder bounds the entries of the user's unit folder.
const maxFolder = 100_000
