package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"stackpolicy/internal/regularfile"
)

// BaseFile is the hidden file of a policy folder with its [Base]. Its form is txtar, which
// neither OPA nor Regal reads: OPA reads .rego, .json and .yaml files also if they are hidden.
const BaseFile = ".base.txtar"

const (
	maxBase    = maxTotal + 1<<20
	baseTitle  = "The built-in files that the files of this folder were made from, for stackpolicy policy\nupgrade. Do not edit it.\n"
	mergedName = "merged/" + SettingsFile // in place of SettingsFile, in a folder that has every setting
	sumsName   = "sha256sums"             // as sha256sum prints them
)

// Base has the built-in files that the files of a folder were made from. The zero value is
// that of a folder that does not say so.
type Base struct {
	Files []File // sorted by name
	// Merged: settings.yaml was written with every key, as [Merged] does.
	Merged bool
	// Sums are digests of the built-in rules below a layer, by file. nil: unknown, or no layer.
	Sums map[string]string
}

// BaseOf returns the base of the built-in policies themselves.
func BaseOf(builtin Source) Base { return Base{Files: builtin.Files} }

// ReadBase reads the base of a folder. A folder without one is no error.
func ReadBase(dir string) (Base, error) {
	text, err := regularfile.Read(filepath.Join(dir, BaseFile), maxBase)
	if errors.Is(err, fs.ErrNotExist) {
		return Base{}, nil
	}
	if err != nil {
		return Base{}, fmt.Errorf("read what the policies were made from: %w", err)
	}
	return parseBase(text), nil
}

func parseBase(text []byte) (b Base) {
	for _, f := range txtar.Parse(text).Files {
		switch f.Name {
		case sumsName:
			b.Sums = map[string]string{}
			for line := range strings.Lines(string(f.Data)) {
				if sum, name, found := strings.Cut(strings.TrimSuffix(line, "\n"), "  "); found {
					b.Sums[name] = "sha256:" + sum
				}
			}
		case mergedName:
			b.Merged = true
			b.Files = append(b.Files, File{Name: SettingsFile, Text: f.Data})
		default:
			b.Files = append(b.Files, File{Name: f.Name, Text: f.Data})
		}
	}
	b.sort()
	return b
}

// File returns the hidden file. It is an error if a file cannot be kept in it.
func (b Base) File() (File, error) {
	archive := &txtar.Archive{Comment: []byte(baseTitle)}
	for _, f := range b.Files {
		if b.Merged && isSettings(f.Name) {
			f.Name = mergedName
		}
		archive.Files = append(archive.Files, txtar.File{Name: f.Name, Data: f.Text})
	}
	if b.Sums != nil {
		var sums strings.Builder
		for _, name := range slices.Sorted(maps.Keys(b.Sums)) {
			fmt.Fprintf(&sums, "%s  %s\n", strings.TrimPrefix(b.Sums[name], "sha256:"), name)
		}
		archive.Files = append(archive.Files, txtar.File{Name: sumsName, Data: []byte(sums.String())})
	}
	text := txtar.Format(archive)
	back := parseBase(text)
	same := func(a, b File) bool { return a.Name == b.Name && bytes.Equal(a.Text, b.Text) }
	if len(text) > maxBase || back.Merged != b.Merged || !slices.EqualFunc(back.Files, b.Files, same) || !maps.Equal(back.Sums, b.Sums) {
		return File{}, fmt.Errorf("the built-in files cannot be kept in %s: they are too large, or one has no last end of line", BaseFile)
	}
	return File{Name: BaseFile, Text: text}, nil
}

// BaseWithNew returns the base file of a folder to which the files of [Begin] are added. A folder
// that does not exist has none so far.
func BaseWithNew(dir, id string, builtin Source) (File, error) {
	base, err := ReadBase(dir)
	if err != nil {
		return File{}, err
	}
	files := slices.DeleteFunc(slices.Clone(builtin.Files), func(f File) bool { return invariantFolder(f.Name) != "invariants/"+id })
	if _, err := os.Lstat(filepath.Join(dir, rootFile)); errors.Is(err, fs.ErrNotExist) && base.Sums == nil {
		base.Sums = SumsOf(builtin)
	}
	return base.with(files).File()
}

// with returns the base with these files in place of all it has of the same invariants.
func (b Base) with(files []File) Base {
	fresh := map[string]bool{}
	for _, f := range files {
		fresh[partOf(f.Name)] = true
	}
	kept := slices.DeleteFunc(slices.Clone(b.Files), func(f File) bool { return fresh[partOf(f.Name)] })
	b.Files = append(kept, files...)
	b.sort()
	return b
}

// OfMerged returns the base of what [Merged] writes of a source, which has this base.
func (b Base) OfMerged(s, builtin Source) (Base, error) {
	settings, err := defaultSettings().YAML()
	if err != nil {
		return Base{}, err
	}
	merged := Base{Merged: true, Files: []File{{Name: SettingsFile, Text: settings}}}
	for _, f := range s.Files {
		text := b.text(f.Name)
		if f.Builtin || s.Name == "" {
			text = builtin.text(f.Name)
		}
		if text != nil && !isSettings(f.Name) {
			merged.Files = append(merged.Files, File{Name: f.Name, Text: text})
		}
	}
	merged.sort()
	return merged, nil
}

func (b Base) sort() { Source{Files: b.Files}.sort() }

// text returns a file's content, nil if it has no such file.
func (b Base) text(name string) []byte { return Source{Files: b.Files}.text(name) }

// sum returns the digest of a file, "" if it is not known.
func (b Base) sum(name string) string {
	if text := b.text(name); text != nil {
		return RuleDigest(text)
	}
	return b.Sums[name]
}

// SumsOf returns the digests of the rules of a source, by file.
func SumsOf(s Source) map[string]string {
	sums := map[string]string{}
	for _, f := range s.Files {
		if isRule(f.Name) {
			sums[f.Name] = RuleDigest(f.Text)
		}
	}
	return sums
}

// RuleDigest returns sha256:… over a rule's file, as METADATA's custom.replaces has it.
func RuleDigest(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
