package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// legal matches the names of files that a licence may require to be distributed.
var legal = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright)([.-].*)?$`)

// licences returns the licence texts of everything that the programs contain: the
// project, Go, and every module. A module without a licence is an error.
func (b *built) licences(ctx context.Context) ([]byte, error) {
	var out bytes.Buffer
	dirs, err := b.folders(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range append([]folder{{"stackpolicy", b.source}}, dirs...) {
		text, err := legalTexts(d.dir)
		if err == nil && text == "" {
			err = errors.New("it holds no licence")
		}
		if err != nil {
			return nil, fmt.Errorf("%s in %s: %w", d.name, d.dir, err)
		}
		section(&out, d.name, text)
	}
	return out.Bytes(), nil
}

// folder returns the folder of a module's source.
type folder struct{ name, dir string }

// folders returns the folders of Go and of every module in the programs.
func (b *built) folders(ctx context.Context) ([]folder, error) {
	root, err := command(ctx, b.source, nil, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	list := []folder{{"Go", strings.TrimSpace(string(root))}}
	args := append([]string{"list", "-m", "-f", "{{.Path}} {{.Version}}\t{{.Dir}}"}, b.modules...)
	out, err := command(ctx, b.source, []string{"GOFLAGS=", "GOWORK=off"}, "go", args...)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	for _, line := range lines {
		name, dir, _ := strings.Cut(line, "\t")
		list = append(list, folder{name, dir})
	}
	return list, nil
}

// legalTexts joins the licence files at the top of a folder.
func legalTexts(dir string) (string, error) {
	entries, err := fs.ReadDir(os.DirFS(dir), ".")
	if err != nil {
		return "", err
	}
	var texts []string
	for _, e := range entries {
		if !e.Type().IsRegular() || !legal.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		texts = append(texts, strings.TrimSpace(string(text))+"\n")
	}
	return strings.Join(texts, "\n"), nil
}

func section(out *bytes.Buffer, name, text string) {
	fmt.Fprintf(out, "%s\n%s\n\n%s\n", name, strings.Repeat("=", len(name)), text)
}
