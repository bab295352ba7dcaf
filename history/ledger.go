package history

import (
	"cmp"
	"slices"

	"stackpolicy/facts"
	"stackpolicy/internal/sqlite"
)

// loadedRoles are the roles of files that define a unit.
var loadedRoles = [...]string{"fragment", "dropin", "source", "source-dropin"}

// learnLoads stores which files the manager is known to have loaded. The first known digest
// of a load is kept, because the file on disk may change later. After the next load the
// earlier digests are deleted.
func learnLoads(tx sqlite.Tx, doc *facts.Document) error {
	if doc.Manager == nil {
		return nil
	}
	loadedAt := sqlite.Stamp(doc.Manager.LoadedAt)
	if err := tx.Do("DELETE FROM loads WHERE loaded_at <> ?", loadedAt); err != nil {
		return err
	}
	known, err := readLoads(tx)
	if err != nil {
		return err
	}
	for _, u := range doc.Units {
		if err := learnUnit(tx, u, loadedAt, known[u.Name].Files); err != nil {
			return err
		}
		delete(known, u.Name)
	}
	for gone := range known {
		if err := tx.Do("DELETE FROM loads WHERE unit = ?", gone); err != nil {
			return err
		}
	}
	return nil
}

func learnUnit(tx sqlite.Tx, u facts.Unit, loadedAt int64, known []facts.LoadedFile) error {
	all := merge(known, certain(u))
	if len(all) == len(known) {
		return nil
	}
	text, err := sqlite.Encode(all)
	if err != nil {
		return err
	}
	return tx.Do("INSERT OR REPLACE INTO loads VALUES (?, ?, ?)", u.Name, loadedAt, text)
}

// certain returns the unit's files whose content on disk is certainly loaded.
func certain(u facts.Unit) []facts.LoadedFile {
	files := []facts.LoadedFile{}
	if !u.IsManaged() || u.Loaded == nil {
		return files
	}
	for _, f := range u.Files {
		if slices.Contains(loadedRoles[:], f.Role) && f.Effective && f.Loaded && !f.ChangedAfterLoad && f.Digest != "" {
			files = append(files, facts.LoadedFile{Path: f.Path, Digest: f.Digest})
		}
	}
	return files
}

// merge adds files whose paths are not known yet, and sorts by path.
func merge(known, more []facts.LoadedFile) []facts.LoadedFile {
	all := slices.Clone(known)
	for _, f := range more {
		if !slices.ContainsFunc(all, func(x facts.LoadedFile) bool { return x.Path == f.Path }) {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b facts.LoadedFile) int { return cmp.Compare(a.Path, b.Path) })
	return all
}

// readLoads returns the files that the manager is known to have loaded, by unit.
func readLoads(tx sqlite.Tx) (map[string]facts.Load, error) {
	loads := map[string]facts.Load{}
	_, err := sqlite.List(tx, func(r sqlite.Row) (l facts.Load, err error) {
		var unit, files string
		var loadedAt int64
		if err := r.Scan(&unit, &loadedAt, &files); err != nil {
			return l, err
		}
		l.LoadedAt = sqlite.Moment(loadedAt)
		err = sqlite.Decode(files, &l.Files)
		loads[unit] = l
		return l, err
	}, "SELECT unit, loaded_at, files FROM loads")
	return loads, err
}
