package compose

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"go.yaml.in/yaml/v3"

	"stackpolicy/internal/regularfile"
)

const (
	maxFile  = 1 << 20 // bytes of one file
	maxPath  = 4 << 10 // bytes of variables in one path (PATH_MAX)
	maxFiles = 100     // compose files of one project, included and extended ones counted
)

// sources are the compose files that a load reads, in the order they were found.
// compose-go itself opens included and extended files, as large as they are
// and also where they are pipes, so they are looked at first.
type sources []source

type source struct {
	path    string
	content []byte
}

func (s sources) content(path string) []byte {
	for _, source := range s {
		if source.path == path {
			return source.content
		}
	}
	return nil
}

// add reads a file and all that it refers to: relative to dir, with the
// variables of env. What is wrong within a file is left for compose-go to say.
func (s *sources) add(path, dir string, env map[string]string) error {
	if s.content(path) != nil {
		return nil
	}
	if len(*s) == maxFiles {
		return fmt.Errorf("%s: more than %d compose files", path, maxFiles)
	}
	content, err := regularfile.Read(path, maxFile)
	if err != nil {
		return err
	}
	*s = append(*s, source{path, content})
	for decoder := yaml.NewDecoder(bytes.NewReader(content)); ; {
		var document map[string]any
		if decoder.Decode(&document) != nil {
			return nil
		}
		if err := s.follow(document, dir, env); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
}

func (s *sources) follow(document map[string]any, dir string, env map[string]string) error {
	entries, _ := document["include"].([]any)
	for _, entry := range entries {
		if err := s.include(entry, dir, env); err != nil {
			return fmt.Errorf("include: %w", err)
		}
	}
	services, _ := document["services"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(services)) {
		service, _ := services[name].(map[string]any)
		extends, _ := service["extends"].(map[string]any)
		file, ok := extends["file"].(string)
		if !ok {
			continue
		}
		path, err := local(file, dir, env)
		if err == nil {
			err = s.add(path, filepath.Dir(path), env)
		}
		if err != nil {
			return fmt.Errorf("services.%s.extends.file: %w", name, err)
		}
	}
	return nil
}

// include follows one entry: a path, or paths with a folder and variables of
// their own.
func (s *sources) include(entry any, dir string, env map[string]string) error {
	long, ok := entry.(map[string]any)
	if !ok {
		long = map[string]any{"path": entry}
	}
	paths, err := locals(long["path"], dir, env)
	if err != nil || len(paths) == 0 {
		return err
	}
	home := filepath.Dir(paths[0])
	if own, ok := long["project_directory"].(string); ok {
		if home, err = local(own, dir, env); err != nil {
			return err
		}
	}
	env, err = includeEnvironment(long["env_file"], dir, home, env)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := s.add(path, home, env); err != nil {
			return err
		}
	}
	return nil
}

// includeEnvironment adds what an included file's own variables are: those of
// its env_file, or of .env in its folder.
func includeEnvironment(envFile any, dir, home string, env map[string]string) (map[string]string, error) {
	files, err := locals(envFile, dir, env)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return withDotenv(home, env)
	}
	files = slices.DeleteFunc(files, func(file string) bool { return file == os.DevNull })
	return withFiles(files, env)
}

// locals are the paths of a value that is one string or a list of them.
func locals(value any, dir string, env map[string]string) ([]string, error) {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	var paths []string
	for _, element := range list {
		text, ok := element.(string)
		if !ok {
			continue
		}
		path, err := local(text, dir, env)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// local is the absolute path of a local file, and an error for a remote one:
// what runs here must not depend on what a server sends.
func local(path, dir string, env map[string]string) (string, error) {
	room := budget{maxPath}
	path, err := template.SubstituteWithOptions(path, room.of(lookup(env)), template.WithoutLogging)
	if err != nil {
		return "", err
	}
	if room.room < 0 {
		return "", fmt.Errorf("a path of more than %d bytes", maxPath)
	}
	remote := strings.Contains(path, "://") || slices.ContainsFunc(remotes[:], func(prefix string) bool {
		return strings.HasPrefix(path, prefix)
	})
	switch {
	case remote:
		return "", fmt.Errorf("%q is remote, and only local files are read; keep a copy of it beside the compose file", path)
	case filepath.IsAbs(path):
		return filepath.Clean(path), nil
	}
	return filepath.Join(dir, path), nil
}

// remotes are what else compose takes for remote: git by ssh, artifacts, GitHub.
var remotes = [...]string{"git@", "oci:", "github.com/"}

// explain adds to an error where variables are used that nobody sets: what is put in for them
// is empty, and the error only says what is wrong then.
func (s sources) explain(err error, unset map[string]bool) error {
	var uses []string
	for _, source := range s {
		for decoder := yaml.NewDecoder(bytes.NewReader(source.content)); ; {
			var document yaml.Node
			if decoder.Decode(&document) != nil {
				break
			}
			uses = append(uses, usesOf(&document, source.path, "", unset)...)
		}
	}
	if len(uses) == 0 {
		return err
	}
	const most = 5
	if len(uses) > most {
		uses = append(uses[:most], fmt.Sprintf("and %d more", len(uses)-most))
	}
	return fmt.Errorf("%w; nobody sets %s", err, strings.Join(uses, "; "))
}

// usesOf lists the uses of variables below a node, each with its file, line and key.
func usesOf(node *yaml.Node, file, key string, unset map[string]bool) (uses []string) {
	for i, child := range node.Content { // an alias has no content
		below := key
		switch {
		case node.Kind == yaml.MappingNode && i%2 == 1:
			below = strings.TrimPrefix(key+"."+node.Content[i-1].Value, ".")
		case node.Kind == yaml.SequenceNode:
			below = fmt.Sprintf("%s[%d]", key, i)
		}
		uses = append(uses, usesOf(child, file, below, unset)...)
	}
	if node.Kind != yaml.ScalarNode {
		return uses
	}
	for _, name := range plainIn(node.Value) {
		if unset[name] {
			uses = append(uses, fmt.Sprintf("%s at %s:%d (%s)", name, file, node.Line, key))
		}
	}
	return uses
}
