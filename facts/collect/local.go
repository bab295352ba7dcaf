package collect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/lazyregexp"
	"stackpolicy/internal/regularfile"
)

// Bounds on the operator's own facts. Rules read all of them for each unit.
const (
	maxLocalFacts = 50
	maxLocalFact  = 64 << 10
)

var localRow = collector{name: "local", limit: 2 * time.Second, fills: []string{"local"}}

// localName is the name of a local fact: rules write input.local.NAME.
var localName = lazyregexp.New(`^[a-z][a-z0-9_]{0,63}$`)

// localFacts are the operator's own facts, by name.
type localFacts map[string]facts.LocalFact

func (l localFacts) fill(doc *facts.Document) {
	local := map[string]facts.LocalFact(l)
	doc.Local = &local
}

// LocalDir returns the folder of the operator's own facts.
func (e Environment) LocalDir() string { return filepath.Join(e.ConfigHome, "stackpolicy", "facts.d") }

// collectLocal reads every file NAME.json. One that cannot be read makes the whole section
// a gap: a rule must not take it for missing.
func collectLocal(env Environment) (localFacts, error) {
	owner, err := accountOwner(env)
	if err != nil {
		return nil, err
	}
	dir := env.LocalDir()
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return localFacts{}, nil
	case err != nil:
		return nil, fmt.Errorf("read the local facts: %w", err)
	}
	if err := owner.check(dir, info); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the local facts: %w", err)
	}
	found := localFacts{}
	for _, e := range entries {
		name, isFact := strings.CutSuffix(e.Name(), ".json")
		if !isFact || strings.HasPrefix(name, ".") {
			continue
		}
		if len(found) == maxLocalFacts {
			return nil, fmt.Errorf("%s has more than %d facts", dir, maxLocalFacts)
		}
		path := filepath.Join(dir, e.Name())
		if !localName.Get().MatchString(name) {
			return nil, fmt.Errorf("%s: want a name of small letters, digits and _, such as backup.json", path)
		}
		if found[name], err = readLocal(path, owner); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func readLocal(path string, owner fileOwner) (facts.LocalFact, error) {
	f, err := regularfile.Open(path)
	if err != nil {
		return facts.LocalFact{}, fmt.Errorf("read a local fact: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = owner.check(path, info)
	}
	if err != nil {
		return facts.LocalFact{}, err
	}
	text, err := regularfile.ReadAll(f, maxLocalFact)
	if err != nil {
		return facts.LocalFact{}, fmt.Errorf("read a local fact %s: %w", path, err)
	}
	fact := facts.LocalFact{ChangedAt: info.ModTime().UTC()}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&fact.Data); err != nil {
		return facts.LocalFact{}, fmt.Errorf("%s is no JSON: %w", path, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return facts.LocalFact{}, fmt.Errorf("%s has more than one JSON value", path)
	}
	return fact, nil
}

// check refuses a file or folder that somebody else can change: a rule would believe them.
func (o fileOwner) check(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return fmt.Errorf("%s has an owner that cannot be determined", path)
	case !o.trusts(int(stat.Uid)):
		return fmt.Errorf("%s belongs to user id %d; want %d or root", path, stat.Uid, o.uid)
	case info.Mode().Perm()&o.others(int(stat.Gid)) != 0:
		return fmt.Errorf("%s can be written by others; run: chmod go-w %s", path, path)
	}
	return nil
}
