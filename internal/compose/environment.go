package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"stackpolicy/internal/lazyregexp"
	"stackpolicy/internal/regularfile"

	"github.com/compose-spec/compose-go/v2/template"
)

// environment is what variables of the compose files mean.
func (o Options) environment() (map[string]string, error) {
	env := map[string]string{}
	for _, entry := range o.Environ {
		if key, value, ok := strings.Cut(entry, "="); ok {
			env[key] = value
		}
	}
	env, err := withFiles(o.EnvFiles, env)
	if err != nil {
		return nil, err
	}
	return withDotenv(filepath.Dir(o.Files[0]), env)
}

// withDotenv adds a folder's file .env, if there is one, under env.
func withDotenv(dir string, env map[string]string) (map[string]string, error) {
	with, err := withFiles([]string{filepath.Join(dir, ".env")}, env)
	if errors.Is(err, fs.ErrNotExist) {
		return env, nil
	}
	return with, err
}

// withFiles adds files of variables under env: of the files a later one wins,
// and env wins over all.
func withFiles(files []string, env map[string]string) (map[string]string, error) {
	set := map[string]string{}
	known := func(name string) (string, bool) {
		if value, ok := env[name]; ok {
			return value, true
		}
		value, ok := set[name]
		return value, ok
	}
	for _, file := range files {
		content, err := regularfile.Read(file, maxFile)
		if err != nil {
			return nil, fmt.Errorf("read variables: %w", err)
		}
		values, err := parseVariables(content, known)
		if err != nil {
			return nil, fmt.Errorf("read variables: %s: %w", file, err)
		}
		maps.Copy(set, values)
	}
	maps.Copy(set, env)
	return set, nil
}

// profiles that are active: COMPOSE_PROFILES, a list with commas.
func profiles(env map[string]string) []string {
	return strings.FieldsFunc(env["COMPOSE_PROFILES"], func(r rune) bool { return r == ',' || r == ' ' })
}

func lookup(env map[string]string) template.Mapping {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

// environ is env as a process takes it.
func environ(env map[string]string) []string {
	var entries []string
	for _, key := range slices.Sorted(maps.Keys(env)) {
		entries = append(entries, key+"="+env[key])
	}
	return entries
}

// maxPutIn is how many bytes variables may put into the compose files of a project.
const maxPutIn = 16 << 20

// putting puts variables into texts. It collects those that nobody sets and for which the
// file says no default.
type putting struct {
	budget
	unset map[string]bool
}

// plain is a variable without a default: $NAME or ${NAME}.
var plain = lazyregexp.New(`\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})`)

// substitute puts variables into a text, as compose does.
func (p *putting) substitute(text string, mapping template.Mapping) (string, error) {
	missing := map[string]bool{}
	result, err := template.Substitute(text, p.of(func(name string) (string, bool) {
		value, ok := mapping(name)
		missing[name] = !ok
		return value, ok
	}))
	if p.room < 0 {
		return "", fmt.Errorf("variables put more than %d MiB into the files", maxPutIn>>20)
	}
	for _, name := range plainIn(text) {
		if missing[name] {
			p.unset[name] = true
		}
	}
	return result, err
}

// plainIn returns the variables that a text has without a default.
func plainIn(text string) (names []string) {
	for _, match := range plain.Get().FindAllStringSubmatch(strings.ReplaceAll(text, "$$", ""), -1) {
		names = append(names, match[1]+match[2])
	}
	return names
}
