package quadlet

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"stackpolicy/internal/lazyregexp"
)

// reply is what a run of the generator said. The texts are those of podman 4.4 to 5.8.
type reply struct {
	accepted  []string          // sources of the generated units
	read      []string          // files that it read
	loading   []complaint       // files that it could not read: since podman 4.5 it then uses none of their folder
	converted map[string]string // file name -> why it makes no unit of it
	crash     string            // why it ended early; "" if it did not
}

type complaint struct{ path, reason string }

var (
	prefix     = lazyregexp.New(`(?m)^(podman-user-generator|quadlet-generator|quadlet)\[\d+\]: `)
	isReading  = lazyregexp.New(`^Loading source unit file (.+)$`)
	notRead    = lazyregexp.New(`(?i)^error loading (".+?"|'.+?'), (.+)$`)
	notUsed    = lazyregexp.New(`(?i)^(?:error )?converting (".+?"|'.+?')(?:, ignoring)?: (.+)$`)
	sourcePath = lazyregexp.New(`(?m)^SourcePath=(.+)$`)
)

func parse(units, messages string) reply {
	a := reply{converted: map[string]string{}}
	for _, m := range sourcePath.Get().FindAllStringSubmatch(units, -1) {
		a.accepted = append(a.accepted, m[1])
	}
	for line := range strings.Lines(prefix.Get().ReplaceAllString(messages, "")) {
		line = strings.TrimRight(line, "\n")
		if m := find(isReading, line); m != nil {
			a.read = append(a.read, m[1])
		} else if m := find(notRead, line); m != nil {
			a.loading = append(a.loading, complaint{unquoted(m[1]), m[2]})
		} else if m := find(notUsed, line); m != nil && a.converted[unquoted(m[1])] == "" {
			a.converted[unquoted(m[1])] = m[2]
		} else if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			a.crash = line
		}
	}
	return a
}

// unquoted returns the name in quotes. Go's %q quotes it in podman 4.5 and later.
func unquoted(name string) string {
	if text, err := strconv.Unquote(name); err == nil {
		return text
	}
	return name[1 : len(name)-1]
}

func find(of lazyregexp.Regexp, line string) []string { return of.Get().FindStringSubmatch(line) }

// Refusal is why no unit is generated from a quadlet.
type Refusal struct {
	Cause  string // the file at fault: the quadlet itself, or another one; "" if that is not known
	Reason string
}

// refusals returns a refusal for each source that is not accepted.
func (a reply) refusals(sources []string) map[string]Refusal {
	refused := map[string]Refusal{}
	for _, source := range sources {
		if !a.isAccepted(source) {
			refused[source] = a.refusal(source)
		}
	}
	return refused
}

func (a reply) isAccepted(source string) bool {
	return slices.ContainsFunc(a.accepted, func(p string) bool { return sameFile(p, source) })
}

func (a reply) refusal(source string) Refusal {
	if reason := a.converted[filepath.Base(source)]; reason != "" {
		return Refusal{source, shorten(reason)}
	}
	for _, c := range a.loading {
		if sameFile(c.path, source) {
			return Refusal{source, shorten(c.reason)}
		}
	}
	for _, c := range a.loading {
		if sameFolder(c.path, source) {
			return Refusal{c.path, shorten(c.reason)}
		}
	}
	for _, path := range a.accepted {
		if filepath.Base(path) == filepath.Base(source) {
			return Refusal{source, shorten(path + " has the same name and is used in its place")}
		}
	}
	return Refusal{"", "podman's generator gives no reason"}
}

// maxReason bounds a reason: it may repeat what a file says.
const maxReason = 400

func shorten(reason string) string {
	if len(reason) > maxReason {
		return strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	return strings.ToValidUTF8(reason, "?")
}

// sameFile reports whether two paths are one name in one folder. The generator resolves the
// links of folders, not those of files.
func sameFile(a, b string) bool {
	return filepath.Base(a) == filepath.Base(b) && sameFolder(a, b)
}

func sameFolder(a, b string) bool {
	return folder(a) == folder(b)
}

func folder(path string) string {
	dir := filepath.Dir(path)
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}
