package matrix

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"stackpolicy/lab/machine"
)

// database makes web the stack of the folder database. Its files are in ~/web, to be
// changed in place. Nothing of it runs yet.
func database(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 0, "database")
	ctx, cancel := limited()
	defer cancel()
	ts.Check(of(ts).database(ctx))
}

func (s *stage) database(ctx context.Context) error {
	for name, path := range map[string]string{"config.yaml": "stackpolicy/config.yaml", "web.service": "systemd/user/web.service"} {
		text, err := os.ReadFile(filepath.Join("database", name))
		if err != nil {
			return err
		}
		s.declared[path] = string(text)
	}
	if err := s.relink(); err != nil {
		return err
	}
	for _, name := range []string{"writer", "check", "Dockerfile", "compose.yaml"} {
		text, err := os.ReadFile(filepath.Join("database", name))
		if err != nil {
			return err
		}
		if err := s.Write(filepath.Join(machine.Home, "web", name), string(text)); err != nil {
			return err
		}
	}
	for _, name := range []string{"kept", "killed"} {
		if _, err := s.Install(filepath.Join("database", name)); err != nil {
			return err
		}
	}
	return s.run(ctx, "sh", "-c", `set -e
systemctl --user daemon-reload
cd web
mkdir bind
chmod 0755 writer check
echo s3cret >token
chmod 0600 token
podman build --pull=never --tag localhost/writer:1 .`)
}

// stackctl.md names scenarios that exist.
func TestTableOfFaults(t *testing.T) {
	text, err := os.ReadFile("stackctl.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile("`([a-z]+(?:_[a-z]+)+)`").FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join("testdata", match[1]+".txtar")); err != nil {
			t.Error(err)
		}
	}
}
