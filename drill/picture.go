package drill

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/finding"
	"stackpolicy/internal/regularfile"
)

// picture is the state of the scene as systemctl and the file system show it. It does not ask
// stackpolicy. A key is a unit, or a path.
type picture struct{ units, files map[string]string }

// Bounds of a picture, and of what is read of the scene.
const (
	maxFiles    = 20_000
	maxUnitFile = 1 << 20
	maxMemory   = 64 << 20 // one file of the audits' memory
)

const unitProperties = "Id,LoadState,ActiveState,SubState,FragmentPath,DropInPaths,Description,InvocationID"

// picture of a row whose units change by themselves leaves these changes out.
func (s *stage) picture(r row) (picture, error) {
	p := picture{map[string]string{}, map[string]string{}}
	if !r.spoils {
		out, err := s.Systemctl(s.ctx, append([]string{"show", "--property=" + unitProperties}, append(managed, evilName+"*")...)...)
		if err != nil {
			return p, err
		}
		p.addUnits(out, r.moves)
	}
	for _, root := range []string{
		filepath.Join(s.Home, ".config"), filepath.Join(s.Home, ".local/share"), filepath.Join(s.Home, ".local/state/home-manager"), s.rules.folder(s),
		s.Path("/etc/systemd"), s.Path("/run/systemd/user"),
		filepath.Join(s.RuntimeDir, "systemd/user"), filepath.Join(s.RuntimeDir, "systemd/user.control"),
	} {
		if err := addFiles(p.files, root, maxFiles); err != nil {
			return p, err
		}
	}
	return p, nil
}

// addUnits reads what systemctl show printed: a block for each unit.
func (p picture) addUnits(shown string, moves bool) {
	for block := range strings.SplitSeq(shown, "\n\n") {
		kept, id := []string{}, ""
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			key, value, _ := strings.Cut(line, "=")
			if key == "Id" {
				id = value
			}
			if !moves || !slices.Contains([]string{"ActiveState", "SubState", "InvocationID"}, key) {
				kept = append(kept, line)
			}
		}
		if id != "" {
			p.units[id] = strings.Join(kept, " ")
		}
	}
}

// addFiles adds what lstat says of every file below root, by path. What does not exist, or
// goes away meanwhile, is not there. More than limit files are an error.
func addFiles(files map[string]string, root string, limit int) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if errors.Is(err, fs.ErrPermission) {
			return fs.SkipDir
		}
		if err != nil {
			return err
		}
		if len(files) >= limit {
			return fmt.Errorf("%s has more than %d files", root, limit)
		}
		if info, err := d.Info(); err == nil {
			files[path] = describe(path, info)
		}
		return nil
	})
}

func describe(path string, info fs.FileInfo) string {
	text := fmt.Sprintf("%s %d %d", info.Mode(), info.Size(), info.ModTime().UnixNano())
	if info.Mode()&fs.ModeSymlink != 0 {
		target, _ := os.Readlink(path)
		text += " -> " + target
	}
	return text
}

func (p picture) filesOnly() picture { return picture{files: p.files} }

// differences says what is other in the later picture.
func (p picture) differences(later picture) []string {
	return append(changes(p.units, later.units), changes(p.files, later.files)...)
}

// changes says which keys came, went or have other values, in the order of the keys.
func changes(before, after map[string]string) []string {
	all := maps.Clone(before)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, after)
	var list []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		was, had := before[key]
		is, has := after[key]
		switch {
		case !had:
			list = append(list, key+" is new")
		case !has:
			list = append(list, key+" is gone")
		case was != is:
			list = append(list, key+" changed")
		}
	}
	return list
}

// notAsDeclared says which of the healed units do not have the description of their declared
// text, or do not run although they should.
func (s *stage) notAsDeclared(heals []finding.Finding) []string {
	var wrong []string
	for _, f := range heals {
		if !isManaged(f.Subject) {
			continue
		}
		file := s.Unit(strings.Replace(f.Subject, "@one", "@", 1))
		text, err := regularfile.Read(file, maxUnitFile)
		if err != nil {
			continue // it is not declared any more
		}
		if is, want := s.property(f.Subject, "Description"), descriptionIn(string(text)); is != want {
			wrong = append(wrong, fmt.Sprintf("%s is loaded as %q, and declared as %q", f.Subject, is, want))
		}
		if state := s.property(f.Subject, "ActiveState"); slices.Contains(wanted, f.Subject) && state != "active" {
			wrong = append(wrong, fmt.Sprintf("%s is %s after the heal", f.Subject, state))
		}
	}
	return slices.Compact(wrong)
}
