package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/google/go-cmp/cmp"
)

// FuzzVariables: what a file of variables means to compose it means here, where it is read
// one statement at a time.
func FuzzVariables(f *testing.F) {
	for _, text := range variables {
		f.Add(text)
	}
	known := func(name string) (string, bool) { return "home", name == "HOME" }
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "$") > 10 {
			return // which the library may take for ever
		}
		want, wantErr := dotenv.ParseWithLookup(strings.NewReader(text), known)
		got, err := parseVariables([]byte(text), known)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: error %v, want %v", text, err, wantErr)
		}
		if d := cmp.Diff(want, got); err == nil && d != "" {
			t.Errorf("%q: -want +got\n%s", text, d)
		}
	})
}

// FuzzLoad: a compose file is a project or an error that names the file.
func FuzzLoad(f *testing.F) {
	f.Add("services: {app: {image: 'x:${TAG:-1}', environment: {A: $B}, ports: ['8080:80'], volumes: ['./a:/b', 'data:/c']}}\nvolumes: {data: {}}\n", "TAG=2\n")
	f.Add("include: [other.yaml]\nservices: {a: {build: ., depends_on: {b: {condition: service_healthy}}}, b: {extends: a}}", "")
	f.Add("services: {a: {image: i, secrets: [s], env_file: e, deploy: {replicas: 2}, stop_grace_period: 1m30s}}\nsecrets: {s: {file: ./s}}", "")
	f.Fuzz(func(t *testing.T, text, variables string) {
		if strings.Count(text, "include")+strings.Count(text, "extends")+strings.Count(text, "file") > 20 {
			return // it may read files of this machine, and takes longer
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "compose.yaml")
		for name, content := range map[string]string{path: text, filepath.Join(dir, ".env"): variables} {
			if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p, err := Load(t.Context(), Options{Project: "web", Files: []string{path}})
		switch {
		case err != nil && !strings.Contains(err.Error(), dir):
			t.Errorf("the error does not name the file: %v", err)
		case err == nil && (p.Name != "web" || p.Digest == ""):
			t.Errorf("project %q, digest %q", p.Name, p.Digest)
		}
	})
}
