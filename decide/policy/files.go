package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

const (
	maxFileSize = 1 << 20
	maxFiles    = 1000
)

// files are the parts of a policy folder that decisions depend on.
type files struct {
	rules    map[string][]byte // *.rego without the tests
	prose    map[string][]byte // *.md below invariants
	settings []byte            // settings.yaml; nil when there is none
}

// readFiles reads a policy folder. Links are refused, not skipped: a rule that
// is silently not read would be an invariant that silently holds. Hidden files
// and folders are no part of the policies.
func readFiles(fsys fs.FS, refusal *Refusal) files {
	f := files{rules: map[string][]byte{}, prose: map[string][]byte{}}
	for _, name := range listFiles(fsys, refusal) {
		switch {
		case isTest(name):
		case name == settingsFile:
			f.settings = readFile(fsys, name, refusal)
		case strings.HasSuffix(name, ".rego"):
			f.rules[name] = readFile(fsys, name, refusal)
		case strings.HasSuffix(name, ".md") && strings.HasPrefix(name, "invariants/"):
			f.prose[name] = readFile(fsys, name, refusal)
		case slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)):
			refusal.Add(name, 0, "unknown data file; the only data is %s in the folder's root", settingsFile)
		}
	}
	return f
}

// ReadTests reads and parses the folder's Rego tests.
func ReadTests(fsys fs.FS, refusal *Refusal) map[string]*ast.Module {
	sources := map[string][]byte{}
	for _, file := range ReadRego(fsys, refusal) {
		if isTest(file.Name) {
			sources[file.Name] = file.Text
		}
	}
	return ParseModules(sources, refusal)
}

// File is a file of a policy folder.
type File struct {
	Name string // relative to the folder
	Text []byte
}

// ReadRego reads all Rego files, tests included, sorted by name.
func ReadRego(fsys fs.FS, refusal *Refusal) []File {
	var files []File
	for _, name := range listFiles(fsys, refusal) {
		if path.Ext(name) == ".rego" {
			files = append(files, File{name, readFile(fsys, name, refusal)})
		}
	}
	return files
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.rego") }

// listFiles returns the names of all regular files, sorted.
func listFiles(fsys fs.FS, refusal *Refusal) []string {
	var names []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			refusal.Add(path.Clean("/" + name)[1:], 0, "cannot be read: %v", err)
			return nil
		case name != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			refusal.Add(name, 0, "is no regular file; policies are not followed through links: link the folder as a whole instead")
			return nil
		case len(names) == maxFiles:
			refusal.Add("", 0, "holds more than %d files; is it a policy folder?", maxFiles)
			return fs.SkipAll
		}
		names = append(names, name)
		return nil
	})
	if err != nil {
		refusal.Add("", 0, "cannot be read: %v", err)
	}
	return names
}

// readFile returns at most maxFileSize bytes of a file.
func readFile(fsys fs.FS, name string, refusal *Refusal) []byte {
	file, err := fsys.Open(name)
	if err != nil {
		refusal.Add(name, 0, "cannot be read: %v", err)
		return nil
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	switch {
	case err != nil:
		refusal.Add(name, 0, "cannot be read: %v", err)
	case len(data) > maxFileSize:
		refusal.Add(name, 0, "is larger than %d bytes", maxFileSize)
		return nil
	}
	return data
}

// digest is the same for the same files, whatever order they were read in.
func (f files) digest() string {
	all := maps.Clone(f.rules)
	maps.Copy(all, f.prose)
	if f.settings != nil {
		all[settingsFile] = f.settings
	}
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(hash, "%d %s %d\n", len(name), name, len(all[name]))
		hash.Write(all[name])
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil))
}
