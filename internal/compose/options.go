package compose

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/format"
	"go.yaml.in/yaml/v3"

	"stackpolicy/internal/lazyregexp"
)

// volumeOptions are what compose-go takes from a volume in one string. The last three
// change nothing on Linux.
var volumeOptions = append([]string{"ro", "rw", "nocopy", "z", "Z", "cached", "delegated", "consistent"}, format.Propagations...)

// braced is a variable with braces, which may have colons in it.
var braced = lazyregexp.New(`\$\{[^}]*\}+`)

// leftOut names the options of volumes that compose-go drops without a word, such as
// podman's U: each with its file, line and key.
func (s sources) leftOut() (found []string) {
	for _, source := range s {
		for decoder := yaml.NewDecoder(bytes.NewReader(source.content)); ; {
			var document struct {
				Services map[string]struct{ Volumes []yaml.Node }
			}
			if decoder.Decode(&document) != nil {
				break
			}
			for _, name := range slices.Sorted(maps.Keys(document.Services)) {
				for _, volume := range document.Services[name].Volumes {
					for _, option := range unknownOptions(volume.Value) {
						found = append(found, fmt.Sprintf("%s:%d: services.%s.volumes: compose does not know the option %q of %q, and it is left out",
							source.path, volume.Line, name, option, volume.Value))
					}
				}
			}
		}
	}
	return found
}

// unknownOptions are those of SOURCE:TARGET:OPTIONS.
func unknownOptions(volume string) []string {
	parts := strings.Split(braced.Get().ReplaceAllString(volume, "V"), ":")
	if len(parts) != 3 || strings.ContainsAny(parts[2], "/$") {
		return nil
	}
	return slices.DeleteFunc(strings.Split(parts[2], ","), func(option string) bool {
		return slices.Contains(volumeOptions, option) || option == "V"
	})
}
