package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
)

// documents returns the README, the pages in docs/, each invariant's runbook, and every
// file that these pages link to or use in a command, so that all their links and examples
// work where they are installed.
func (b *built) documents() ([]file, error) {
	source := os.DirFS(b.source)
	names := []string{"README.md"}
	for _, pattern := range []string{"docs/*.md", "policies/invariants/*/*.md"} {
		more, err := fs.Glob(source, pattern)
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	var files []file
	added := map[string]bool{}
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		if added[name] {
			continue
		}
		added[name] = true
		data, err := fs.ReadFile(source, name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{docDir + name, 0o644, data})
		more, err := links(name, data)
		if err != nil {
			return nil, err
		}
		names = append(append(names, more...), examples(name, data)...)
	}
	return files, nil
}

var (
	example = regexp.MustCompile(`\btestdata/facts/[a-z]+\.json\b`)

	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
)

// examples returns the recorded facts that commands on a Markdown page read.
func examples(name string, data []byte) []string {
	if path.Ext(name) != ".md" {
		return nil
	}
	return example.FindAllString(string(data), -1)
}

// links returns the files of the project that a Markdown page links to, by path from the
// project's folder; none for other files.
func links(name string, data []byte) ([]string, error) {
	if path.Ext(name) != ".md" {
		return nil, nil
	}
	var names []string
	for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(string(data), ""), -1) {
		target, _, _ := strings.Cut(m[1], "#")
		if target == "" || strings.Contains(target, "://") {
			continue
		}
		target = path.Join(path.Dir(name), target)
		if !fs.ValidPath(target) {
			return nil, fmt.Errorf("%s links to %s, which is outside the project", name, target)
		}
		names = append(names, target)
	}
	return names, nil
}
