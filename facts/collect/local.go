package collect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

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

// schemaSuffix ends the names of schemas. What else ends in .json is a fact.
const schemaSuffix = ".schema.json"

// collectLocal reads every file NAME.json. One that cannot be read, or that is not as its
// schema says, makes the whole section a gap: a rule must not take it for missing.
func collectLocal(env Environment) (localFacts, error) {
	found, schemas := localFacts{}, map[string]*jsonschema.Resolved{}
	err := eachLocal(env, func(name, path string, isSchema bool, text []byte, changed time.Time) (err error) {
		if isSchema {
			schemas[name], err = parseSchema(path, text)
			return err
		}
		fact := facts.LocalFact{ChangedAt: changed.UTC()}
		fact.Data, err = parseLocal(path, text)
		found[name] = fact
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		if fact, ok := found[name]; ok {
			if err := schemas[name].Validate(fact.Data); err != nil {
				return nil, fmt.Errorf("%s.json is not as %s%s says: %w", filepath.Join(env.LocalDir(), name), name, schemaSuffix, err)
			}
		}
	}
	return found, nil
}

// LocalSchemas reads the schemas of the operator's own facts, the files NAME.schema.json of
// facts.d, by name. With them a misspelt key in a rule is a mistake.
func LocalSchemas(env Environment) (map[string]json.RawMessage, error) {
	found := map[string]json.RawMessage{}
	err := eachLocal(env, func(name, path string, isSchema bool, text []byte, _ time.Time) error {
		if !isSchema {
			return nil
		}
		found[name] = text
		_, err := parseSchema(path, text)
		return err
	})
	return found, err
}

// eachLocal reads the files of facts.d in the order of their names. It stops at an error.
func eachLocal(env Environment, do func(name, path string, isSchema bool, text []byte, changed time.Time) error) error {
	owner, err := accountOwner(env)
	if err != nil {
		return err
	}
	dir := env.LocalDir()
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("read the local facts: %w", err)
	}
	if err := owner.check(dir, info); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the local facts: %w", err)
	}
	count := map[bool]int{}
	for _, e := range entries {
		name, isSchema := strings.CutSuffix(e.Name(), schemaSuffix)
		name, isJSON := strings.CutSuffix(name, ".json")
		if !isSchema && !isJSON || strings.HasPrefix(name, ".") {
			continue
		}
		if count[isSchema]++; count[isSchema] > maxLocalFacts {
			return fmt.Errorf("%s has more than %d facts", dir, maxLocalFacts)
		}
		path := filepath.Join(dir, e.Name())
		if !localName.Get().MatchString(name) {
			return fmt.Errorf("%s: want a name of small letters, digits and _, such as backup.json", path)
		}
		text, changed, err := readLocal(path, owner)
		if err != nil {
			return err
		}
		if err := do(name, path, isSchema, text, changed); err != nil {
			return err
		}
	}
	return nil
}

func readLocal(path string, owner fileOwner) (text []byte, changed time.Time, err error) {
	f, err := regularfile.Open(path)
	if err != nil {
		return nil, changed, fmt.Errorf("read a local fact: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = owner.check(path, info)
	}
	if err != nil {
		return nil, changed, err
	}
	if text, err = regularfile.ReadAll(f, maxLocalFact); err != nil {
		return nil, changed, fmt.Errorf("read a local fact %s: %w", path, err)
	}
	return text, info.ModTime(), nil
}

// parseLocal reads one JSON value.
func parseLocal(path string, text []byte) (data any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&data); err != nil {
		return nil, fmt.Errorf("%s is no JSON: %w", path, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s has more than one JSON value", path)
	}
	return data, nil
}

// parseSchema reads a JSON Schema. It must not refer to others: they would be read from
// wherever it says.
func parseSchema(path string, text []byte) (*jsonschema.Resolved, error) {
	data, err := parseLocal(path, text)
	if err != nil {
		return nil, err
	}
	if hasReference(data) {
		return nil, fmt.Errorf("%s refers to another schema by $ref; write that one out here", path)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		return nil, fmt.Errorf("%s is no JSON Schema: %w", path, err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("%s is no JSON Schema: %w", path, err)
	}
	return resolved, nil
}

func hasReference(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			if strings.HasPrefix(key, "$") && strings.HasSuffix(strings.ToLower(key), "ref") || hasReference(child) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasReference)
	}
	return false
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
