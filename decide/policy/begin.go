package policy

import (
	"bytes"
	"embed"
	"fmt"
	"path"

	"stackpolicy/internal/lazyregexp"
)

//go:embed example
var example embed.FS

var invariantID = lazyregexp.New(`^[a-z][a-z0-9_]{0,63}$`)

// Begin returns the files of a new invariant, which pass as they are: a rule, its test and its
// runbook. For the id of a built-in invariant they are its files, with the digest of its rule
// in METADATA.
func Begin(id string, builtin Source) ([]File, error) {
	if !invariantID.Get().MatchString(id) {
		return nil, fmt.Errorf("%q is not an id; want small letters, digits and _, such as images_versioned", id)
	}
	if files := builtin.replacing(id); files != nil {
		return files, nil
	}
	var files []File
	for _, end := range []string{".md", ".rego", "_test.rego"} {
		text, err := example.ReadFile("example/example" + end)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: path.Join("invariants", id, id+end), Text: bytes.ReplaceAll(text, []byte("new_invariant"), []byte(id))})
	}
	return files, nil
}

// replacing returns the files of an invariant, for a layer that replaces it.
func (s Source) replacing(id string) (files []File) {
	for _, f := range s.Files {
		if invariantFolder(f.Name) != "invariants/"+id {
			continue
		}
		if ruleID(f.Name) != "" {
			f.Text = withReplaces(f.Text, RuleDigest(f.Text))
		}
		files = append(files, f)
	}
	return files
}

// Merged returns the files of a complete folder and decides as the source does:
// every setting is written out, as the rules need with a stock OPA.
func Merged(s Source, settings Settings) ([]File, error) {
	text, err := settings.YAML()
	if err != nil {
		return nil, err
	}
	files := []File{{Name: SettingsFile, Text: text}}
	for _, f := range s.Files {
		if !isSettings(f.Name) {
			files = append(files, f)
		}
	}
	return files, nil
}
