package debian

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// aptMirror finds the mirror of Debian itself in a machine's apt sources: the
// first that has the machine's main packages, and is neither the security
// archive nor someone else's.
func aptMirror(etc string) (string, error) {
	files := []string{filepath.Join(etc, "sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, err := filepath.Glob(filepath.Join(etc, "sources.list.d", pattern))
		if err != nil {
			return "", err
		}
		files = append(files, more...)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // most machines have only some of these
		}
		for _, source := range sourcesIn(filepath.Ext(name), string(text)) {
			if source.isDebian() {
				return source.uri, nil
			}
		}
	}
	return "", fmt.Errorf("no mirror of Debian in the apt sources below %q", etc)
}

// sourcesIn reads one file of sources.list(5).
func sourcesIn(extension, text string) []source {
	sources := oneLine(text)
	if extension == ".sources" {
		sources = stanzas(text)
	}
	for i := range sources {
		sources[i].uri = firstMirror(sources[i].uri)
	}
	return sources
}

// firstMirror returns the first entry of a list of mirrors (apt-transport-mirror(1)).
// Cloud images use such lists, and mmdebstrap does not accept them.
func firstMirror(uri string) string {
	list, isList := strings.CutPrefix(uri, "mirror+file:")
	if !isList {
		return uri
	}
	text, err := os.ReadFile(filepath.Clean(list))
	if err != nil {
		return uri
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(fields[0], "#") {
			return fields[0]
		}
	}
	return uri
}

// source is one binary package source.
type source struct {
	uri        string
	components []string
}

// isDebian reports whether the source is Debian's main archive. Its mirrors all have
// it in a folder "debian", with "main" as first component.
func (s source) isDebian() bool {
	return slices.Contains(s.components, "main") && strings.HasSuffix(strings.TrimSuffix(s.uri, "/"), "/debian")
}

// oneLine reads "deb [options] URI SUITE COMPONENT…" lines.
func oneLine(text string) []source {
	var found []source
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, isBinary := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !isBinary {
			continue
		}
		if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "[") {
			_, rest, _ = strings.Cut(rest, "]")
		}
		if fields := strings.Fields(rest); len(fields) > 2 {
			found = append(found, source{fields[0], fields[2:]})
		}
	}
	return found
}

// stanzas reads deb822 paragraphs.
func stanzas(text string) []source {
	var found []source
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		fields := map[string][]string{}
		for line := range strings.Lines(paragraph) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			key, value, _ := strings.Cut(line, ":")
			fields[strings.ToLower(key)] = strings.Fields(value)
		}
		if slices.Contains(fields["types"], "deb") && !slices.Contains(fields["enabled"], "no") && len(fields["uris"]) > 0 {
			found = append(found, source{fields["uris"][0], fields["components"]})
		}
	}
	return found
}
