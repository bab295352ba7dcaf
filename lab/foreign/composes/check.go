package composes

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/regularfile"
)

const (
	maxFiles = 5000    // compose files of one folder
	maxFile  = 1 << 20 // bytes of one
)

// Verdict is what is said of one compose file. An empty text is no objection.
type Verdict struct {
	File   string   // relative to the folder
	Loader string   // why stackctl does not load it; then nothing else is known
	Raw    string   // why the provider does not run the file as it is
	Given  string   // why it does not run the file that stackctl gives it
	Cannot []string // what it would leave out, and a container needs
	Leaves []string // what else it would leave out
}

// Check has a file loaded, and the installed podman-compose rehearse it as stackctl gives
// it, and also as it is where that is asked for. It runs in a machine, as what rehearses a file as it is makes the
// folders that it mounts.
func Check(ctx context.Context, provider compose.Provider, version, dir, file string, asItIs bool) Verdict {
	v := Verdict{File: file}
	path := filepath.Join(dir, file)
	p, err := compose.Load(ctx, compose.Options{Project: "foreign", Files: []string{path}, Environ: os.Environ()})
	if err != nil {
		v.Loader = without(err, path)
		return v
	}
	model, err := p.Model()
	if err != nil {
		v.Loader = without(err, path)
		return v
	}
	if asItIs {
		v.Raw = without(provider.RehearseFiles(ctx, version, "foreign", []string{path}, p.Environ), path)
	}
	v.Given = without(provider.Rehearse(ctx, version, model, p.Environ, os.TempDir()), path)
	limits, err := model.Limits(version)
	if err != nil {
		v.Given = err.Error()
	}
	for _, l := range limits {
		if l.Required {
			v.Cannot = append(v.Cannot, l.Place)
		} else {
			v.Leaves = append(v.Leaves, l.Place)
		}
	}
	return v
}

// without is what an error says, without the words that all of them have.
func without(err error, path string) string {
	if err == nil {
		return ""
	}
	text := strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "")
	return strings.TrimPrefix(text, "compose project foreign: ")
}

var services = regexp.MustCompile(`(?m)^["']?(services|include)["']?:|^\{.*"services"`)

// Find lists the compose files below a folder, relative to it and in order: files of YAML
// with services or includes at their top. Folders of version control are left out, and so
// is what cannot be read.
func Find(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case entry.IsDir() && entry.Name() == ".git":
			return fs.SkipDir
		case !entry.Type().IsRegular() || !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path)):
			return nil
		}
		content, err := regularfile.Read(path, maxFile)
		if err != nil || !services.Match(content) {
			return nil
		}
		if len(files) == maxFiles {
			return errTooMany
		}
		name, err := filepath.Rel(dir, path)
		files = append(files, name)
		return err
	})
	return files, err
}

var errTooMany = errors.New("more than 5000 compose files: name a folder below it")
