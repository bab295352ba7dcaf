package collect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
)

// localEnvironment has the given files in its folder of local facts.
func localEnvironment(t *testing.T, files map[string]string) Environment {
	t.Helper()
	env := testEnvironment(t)
	env.EtcDir = t.TempDir()
	writeFiles(t, env.EtcDir, map[string]string{
		"passwd": fmt.Sprintf("alice:x:%d:%d::/home/alice:/bin/sh\n", env.UID, os.Getgid()),
		"group":  fmt.Sprintf("people:x:%d:\n", os.Getgid()),
	})
	if files != nil {
		writeFiles(t, env.LocalDir(), files)
	}
	return env
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, noon, noon); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLocal(t *testing.T) {
	fact := func(data any) facts.LocalFact { return facts.LocalFact{ChangedAt: noon, Data: data} }
	for name, c := range map[string]struct {
		files map[string]string // nil: there is no folder
		want  map[string]facts.LocalFact
	}{
		"no folder":           {nil, map[string]facts.LocalFact{}},
		"empty":               {map[string]string{}, map[string]facts.LocalFact{}},
		"one":                 {map[string]string{"backup.json": `{"size": 5, "ok": true}`}, map[string]facts.LocalFact{"backup": fact(map[string]any{"size": 5.0, "ok": true})}},
		"other files":         {map[string]string{"disk.json": "7\n", ".disk.json": "{", "disk.json.tmp": "{", "README": ""}, map[string]facts.LocalFact{"disk": fact(7.0)}},
		"as its schema says":  {map[string]string{"disk.json": "7", "disk.schema.json": `{"type": "integer"}`}, map[string]facts.LocalFact{"disk": fact(7.0)}},
		"a schema of nothing": {map[string]string{"disk.schema.json": `{"type": "integer"}`}, map[string]facts.LocalFact{}},
	} {
		t.Run(name, func(t *testing.T) {
			doc := newDocument(noon)
			AddOptional(t.Context(), localEnvironment(t, c.files), doc, all)
			if status := doc.Collectors["local"]; !status.OK || status.LimitMS != 2000 {
				t.Fatalf("status %+v", status)
			}
			if d := cmp.Diff(&c.want, doc.Local); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestLocalFails checks what makes the whole section a gap. The error names the file.
func TestLocalFails(t *testing.T) {
	many := map[string]string{}
	for i := range maxLocalFacts + 1 {
		many[fmt.Sprintf("f%d.json", i)] = "1"
	}
	good := map[string]string{"backup.json": "{}"}
	in := func(change func(path string) error) func(string) error {
		return func(dir string) error { return change(filepath.Join(dir, "backup.json")) }
	}
	for name, c := range map[string]struct {
		files  map[string]string
		change func(dir string) error
		err    string
	}{
		"no JSON":                           {map[string]string{"backup.json": "{"}, nil, "backup.json is no JSON: "},
		"two values":                        {map[string]string{"backup.json": "{} {}"}, nil, "backup.json has more than one JSON value"},
		"a bad name":                        {map[string]string{"my-backup.json": "{}"}, nil, "my-backup.json: want a name of small letters, digits and _"},
		"too large":                         {map[string]string{"backup.json": `"` + strings.Repeat("x", maxLocalFact) + `"`}, nil, "larger than 64 KiB"},
		"too many":                          {many, nil, "has more than 50 facts"},
		"others can write":                  {good, in(func(p string) error { return os.Chmod(p, 0o646) }), "backup.json can be written by others; run: chmod go-w "},
		"a group can write":                 {good, in(func(p string) error { return os.Chmod(p, 0o664) }), "can be written by others"},
		"a folder all can write":            {good, func(dir string) error { return os.Chmod(dir, 0o777) }, "facts.d can be written by others"},
		"somebody else's":                   {good, in(func(p string) error { return os.Chown(p, 12345, -1) }), "backup.json belongs to user id 12345"},
		"not as its schema":                 {map[string]string{"backup.json": `{"size": "5"}`, "backup.schema.json": `{"properties": {"size": {"type": "integer"}}}`}, nil, "facts.d/backup.json is not as backup.schema.json says: "},
		"a schema without JSON":             {map[string]string{"backup.schema.json": "{"}, nil, "backup.schema.json is no JSON: "},
		"no schema":                         {map[string]string{"backup.schema.json": `{"type": 5}`}, nil, "backup.schema.json is no JSON Schema: "},
		"a schema of elsewhere":             {map[string]string{"backup.schema.json": `{"properties": {"a": {"$ref": "file:///etc/passwd"}}}`}, nil, "backup.schema.json refers to another schema by $ref"},
		"a schema with a dynamic reference": {map[string]string{"backup.schema.json": `{"items": [{"$dynamicRef": "#a"}]}`}, nil, "backup.schema.json refers to another schema by $ref"},
		"a FIFO":                            {good, in(func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o644)) }), "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			env := localEnvironment(t, c.files)
			if c.change != nil {
				if err := c.change(env.LocalDir()); os.IsPermission(err) {
					t.Skip("only root gives files away")
				} else if err != nil {
					t.Fatal(err)
				}
			}
			doc, began := newDocument(noon), time.Now()
			AddOptional(t.Context(), env, doc, all)
			if status := doc.Collectors["local"]; status.OK || !strings.Contains(status.Error, c.err) || doc.Local != nil {
				t.Errorf("status %+v, want %q; facts %v", status, c.err, doc.Local)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestLocalSchemas reads them under the same conditions as facts.
func TestLocalSchemas(t *testing.T) {
	env := localEnvironment(t, map[string]string{"backup.json": "{", "disk.schema.json": `{"type": "integer"}`})
	got, err := LocalSchemas(env)
	if err != nil || len(got) != 1 || string(got["disk"]) != `{"type": "integer"}` {
		t.Errorf("got %s, %v", got, err)
	}
	if err := os.Chmod(filepath.Join(env.LocalDir(), "disk.schema.json"), 0o646); err != nil {
		t.Fatal(err)
	}
	if got, err := LocalSchemas(env); err == nil {
		t.Errorf("one that others can write: %s", got)
	}
	if got, err := LocalSchemas(localEnvironment(t, nil)); err != nil || len(got) != 0 {
		t.Errorf("without the folder: %s, %v", got, err)
	}
}
