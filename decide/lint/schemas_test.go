package lint

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"stackpolicy/decide/internal/fixture"
)

// TestSchemasOpenNothing: METADATA of any scope can name a schema with a $ref to a file,
// which the compiler opens. With a FIFO it would wait for ever, /dev/zero would fill the
// memory, and the keys of a file would be in the error.
func TestSchemasOpenNothing(t *testing.T) {
	dir := t.TempDir()
	fifo, file := filepath.Join(dir, "fifo"), filepath.Join(dir, "secret.json")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(`{"type": "object", "properties": {"password": {"type": "string"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const body = "\nof(u) if u.stack == \"\"\n"
	places := map[string]func(schemas string) fstest.MapFS{
		"package": func(s string) fstest.MapFS {
			return fixture.WithMetadata("#   - input: schema.facts\n", "#   - input: schema.facts\n"+s)
		},
		"rule": func(s string) fstest.MapFS {
			return fixture.WithRule(fixture.Rule + "\n# METADATA\n# scope: rule\n# schemas:\n" + s + body[1:])
		},
		"document": func(s string) fstest.MapFS {
			return fixture.WithRule(fixture.Rule + "\n# METADATA\n# scope: document\n# schemas:\n" + s + body[1:])
		},
		"subpackages": func(s string) fstest.MapFS {
			return fixture.Folder(map[string]string{"main.rego": "# METADATA\n# scope: subpackages\n# schemas:\n" + s + "package stackpolicy\n"})
		},
		"package of the library": func(s string) fstest.MapFS {
			return fixture.Folder(map[string]string{"lib/lib.rego": "# METADATA\n# schemas:\n" + s + "package stackpolicy.lib\n" + body})
		},
	}
	for place, with := range places {
		for name, schema := range map[string]string{
			"a FIFO":            `{"$ref": "file://` + fifo + `"}`,
			"a device":          `{"$ref": "file:///dev/zero"}`,
			"a file":            `{"$ref": "file://` + file + `"}`,
			"a file of a key":   `{"properties": {"units": {"$ref": "file://` + file + `"}}}`,
			"an inline schema":  `{"type": "object"}`,
			"an unknown schema": "schema.others",
		} {
			t.Run(place+"/"+name, func(t *testing.T) {
				done := make(chan error, 1)
				go func() { done <- check(with("#   - input.units: "+schema+"\n"), "") }()
				select {
				case err := <-done:
					if err == nil || !strings.Contains(err.Error(), ": unknown METADATA schema input.units: ") {
						t.Errorf("got %v", err)
					} else if strings.Contains(err.Error(), "password") {
						t.Errorf("the error holds what is in the file: %v", err)
					}
				case <-time.After(10 * time.Second):
					t.Fatal("it is still reading")
				}
			})
		}
	}
}
