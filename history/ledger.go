package history

import (
	"cmp"
	"slices"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/sqlite"
)

// loadedRoles are the roles of files that define a unit.
var loadedRoles = [...]string{"fragment", "dropin", "source", "source-dropin"}

// learnLoads stores which files the manager is known to have loaded. The first known digest
// of a load is kept, because the file on disk may change later. After the next load the
// earlier digests are deleted.
func learnLoads(tx sqlite.Tx, doc *facts.Document, at time.Time) error {
	if doc.Manager == nil {
		return nil
	}
	if err := learnGone(tx, doc, at); err != nil {
		return err
	}
	loadedAt := sqlite.Stamp(doc.Manager.LoadedAt)
	if err := tx.Do("DELETE FROM loads WHERE loaded_at <> ? AND files <> 'null'", loadedAt); err != nil {
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
	}
	return nil
}

// keepGone is how long a unit that no longer exists is remembered.
const keepGone = 7 * day

// learnGone remembers when units were first found gone that were managed before: not on disk,
// and in the manager's memory at most by name, as others name it. Their files are null, and the time is in place of the
// load's.
func learnGone(tx sqlite.Tx, doc *facts.Document, now time.Time) error {
	names, err := sqlite.Encode(existing(doc))
	if err != nil {
		return err
	}
	const listed = "(SELECT value FROM json_each(?))"
	for _, do := range []struct {
		statement string
		args      []any
	}{
		{"DELETE FROM loads WHERE files = 'null' AND (unit IN " + listed + " OR loaded_at <= ?)", []any{names, sqlite.Stamp(now.Add(-keepGone))}},
		{"UPDATE loads SET files = 'null', loaded_at = ? WHERE files <> 'null' AND unit NOT IN " + listed, []any{sqlite.Stamp(now), names}},
	} {
		if err := tx.Do(do.statement, do.args...); err != nil {
			return err
		}
	}
	return nil
}

// existing returns the names of the units that have a definition.
func existing(doc *facts.Document) []string {
	names := []string{}
	for _, u := range doc.Units {
		if u.Loaded == nil || u.Loaded.LoadState != "not-found" {
			names = append(names, u.Name)
		}
	}
	return names
}

// readGone returns when each unit was found gone that was managed before; nil without any.
func readGone(tx sqlite.Tx) (map[string]time.Time, error) {
	var gone map[string]time.Time
	_, err := sqlite.List(tx, func(r sqlite.Row) (at int64, err error) {
		var unit string
		if err := r.Scan(&unit, &at); err != nil {
			return 0, err
		}
		if gone == nil {
			gone = map[string]time.Time{}
		}
		gone[unit] = sqlite.Moment(at)
		return at, nil
	}, "SELECT unit, loaded_at FROM loads WHERE files = 'null'")
	return gone, err
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
	if !u.IsManaged() {
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
	}, "SELECT unit, loaded_at, files FROM loads WHERE files <> 'null'")
	return loads, err
}
