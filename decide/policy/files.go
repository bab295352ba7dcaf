package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/internal/diff3"
)

const (
	maxFileSize = 1 << 20
	maxFiles    = 1000
	maxTotal    = 16 << 20
)

// Source has the files of a policy folder, before they are parsed.
type Source struct {
	Name     string // put before file names in errors
	Files    []File // sorted by name
	Problems []Problem
}

// File is a file of a policy folder.
type File struct {
	Name    string // relative to the folder
	Text    []byte
	Builtin bool `json:",omitzero"` // it is not in the folder, which is a layer
}

// Open reads the files that decisions depend on: rules, settings and runbooks. A link is an
// error and is not skipped: if a rule were silently left out, nobody would notice that its
// invariant is missing. Hidden files and folders do not belong to the policies.
func Open(fsys fs.FS, name string) Source {
	return open(fsys, name, func(file string) bool { return !isTest(file) })
}

// OpenWithTests reads the same files as Open, and the Rego tests.
func OpenWithTests(fsys fs.FS, name string) Source {
	return open(fsys, name, func(string) bool { return true })
}

func open(fsys fs.FS, name string, wanted func(file string) bool) Source {
	refusal := NewRefusal(name)
	s := Source{Name: name}
	total := 0
	for _, file := range listFiles(fsys, refusal) {
		switch {
		case !wanted(file):
		case isRule(file), isTest(file), isProse(file), isSettings(file):
			text := readFile(fsys, file, refusal)
			if total += len(text); total > maxTotal {
				refusal.Add("", 0, "holds more than %d bytes of policies", maxTotal)
				return Source{Name: name, Problems: refusal.Problems}
			}
			if line := diff3.Marked(text); line > 0 {
				refusal.Add(file, line, "is the mark of a conflict of a merge; choose between the two versions, and remove the lines that begin with <<<<<<<, ======= and >>>>>>>")
			}
			s.Files = append(s.Files, File{Name: file, Text: text})
		case slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(file)):
			refusal.Add(file, 0, "unknown data file; the only data is %s in the folder's root", SettingsFile)
		}
	}
	s.Problems = refusal.Problems
	s.sort()
	return s
}

// Equal reports whether two sources have the same files and problems.
func (s Source) Equal(other Source) bool {
	return slices.EqualFunc(s.Files, other.Files, func(a, b File) bool { return a.Name == b.Name && bytes.Equal(a.Text, b.Text) }) &&
		slices.Equal(s.Problems, other.Problems)
}

func (s Source) sort() {
	slices.SortFunc(s.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
}

func isTest(name string) bool     { return strings.HasSuffix(name, "_test.rego") }
func isSettings(name string) bool { return name == SettingsFile }
func isRule(name string) bool     { return path.Ext(name) == ".rego" && !isTest(name) }
func isProse(name string) bool {
	return strings.HasPrefix(name, "invariants/") && path.Ext(name) == ".md"
}

// Rego returns the Rego files, tests included.
func (s Source) Rego() []File {
	return slices.DeleteFunc(slices.Clone(s.Files), func(f File) bool { return path.Ext(f.Name) != ".rego" })
}

// ParseTests parses the folder's Rego tests.
func (s Source) ParseTests(refusal *Refusal) map[string]*ast.Module {
	return parseModules(s.texts(isTest), refusal)
}

// texts returns the chosen files by name.
func (s Source) texts(wanted func(name string) bool) map[string][]byte {
	texts := map[string][]byte{}
	for _, f := range s.Files {
		if wanted(f.Name) {
			texts[f.Name] = f.Text
		}
	}
	return texts
}

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
			refusal.Add(name, 0, "is not a regular file; links are not followed: link the folder as a whole instead")
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

// digest returns a digest of the files that decisions depend on: without tests and without
// other files.
func (s Source) digest() string {
	hash := sha256.New()
	for _, f := range s.Files {
		if !isTest(f.Name) {
			fmt.Fprintf(hash, "%d %s %d\n", len(f.Name), f.Name, len(f.Text))
			hash.Write(f.Text)
		}
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil))
}
