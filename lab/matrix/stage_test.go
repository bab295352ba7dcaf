package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/generation"
	"stackpolicy/lab/machine"
	"stackpolicy/units"
)

// prepareLimit bounds the time until a scenario's first line runs.
const prepareLimit = 2 * time.Minute

// stage is the machine of one scenario, and what its user declares there.
type stage struct {
	*machine.Machine
	declared map[string]string // text by path below ~/.config
}

// stageKey is the key under which a transcript's commands find their stage.
type stageKey struct{}

func of(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

// prepare boots a scenario's machine, installs the programs and what is declared,
// and starts the audit's timer. No stack runs yet.
func prepare(e *testscript.Env, suite string, programs []string) error {
	debian.InTime(e.T().(testing.TB))
	ctx, cancel := context.WithTimeout(context.Background(), prepareLimit)
	defer cancel()
	m, err := machine.Boot(ctx, machine.Options{Suite: suite})
	if err != nil {
		return err
	}
	t := e.T().(testing.TB)
	e.Defer(func() {
		if t.Failed() {
			t.Log(m.State(context.Background(), "web.service", "shop.service", "feed.service"))
		}
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &stage{Machine: m, declared: map[string]string{}}
	e.Values[stageKey{}] = s
	e.Vars = append(e.Vars, m.Environ()...)
	return s.setUp(ctx, programs)
}

func (s *stage) setUp(ctx context.Context, programs []string) error {
	for _, program := range programs {
		if _, err := s.Install(program); err != nil {
			return err
		}
	}
	for _, name := range []string{"localhost/app:1", "localhost/db:1"} {
		if err := s.image(ctx, name, "1"); err != nil {
			return err
		}
	}
	if err := s.Write(machine.Home+"/.secrets/web-token", "s3cret\n"); err != nil {
		return err
	}
	if err := s.declareAll(); err != nil {
		return err
	}
	if err := errors.Join(s.writeDeclared(), s.relink(), s.allowSudo(ctx)); err != nil {
		return err
	}
	return s.run(ctx, "sh", "-c", `set -e
chmod 0600 .secrets/web-token
mkdir -p .local/bin
ln -s `+machine.BinDir+`/stackpolicy .local/bin/
systemctl --user daemon-reload
systemctl --user start podman.socket stackpolicy-audit.timer stackpolicy-audit.path stackpolicy-audit-subfolders.path stackpolicy-report.timer`)
}

// allowSudo makes a sudo that asks for no password. Its commands run in a unit: logind does
// not answer programs outside the machine's cgroups.
func (s *stage) allowSudo(ctx context.Context) error {
	const script = `set -e
install -m 4755 /usr/bin/setpriv /usr/local/sbin/as-root
cat >/usr/local/bin/sudo <<'END'
#!/bin/sh
exec /usr/local/sbin/as-root --reuid=0 --regid=0 --clear-groups systemd-run --quiet --pipe --wait --collect --same-dir -- "$@"
END
chmod 0755 /usr/local/bin/sudo`
	if out, err := s.RootCommand(ctx, "sh", "-c", script).CombinedOutput(); err != nil {
		return fmt.Errorf("make sudo: %w: %s", err, out)
	}
	return nil
}

func (s *stage) run(ctx context.Context, argv ...string) error {
	if out, err := s.Command(ctx, argv...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", argv[0], err, out)
	}
	return nil
}

// image makes an image whose containers serve its version over HTTP, or run command if
// there is one.
func (s *stage) image(ctx context.Context, name, version string, command ...string) error {
	if len(command) == 0 {
		command = []string{"httpd", "-f", "-p", "8080", "-h", "/www"}
	}
	return s.Image(ctx, machine.Image{
		Name: name, Command: command, Files: map[string]string{"/www/version": version + "\n"},
	})
}

// declareAll declares the files of the folder config, and the units of the audit, without the
// watch, which takes the place of the timer.
func (s *stage) declareAll() error {
	for prefix, files := range map[string]fs.FS{"": os.DirFS("config"), "systemd/user": units.FS} {
		err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) == ".go" || name == "stackpolicy-watch.service" {
				return err
			}
			text, err := fs.ReadFile(files, name)
			s.declared[path.Join(prefix, name)] = string(text)
			return err
		})
		if err != nil {
			return fmt.Errorf("read what is declared: %w", err)
		}
	}
	return nil
}

// declaredFile is what home-manager links in the machine.
const declaredFile = "/etc/declared.json"

func (s *stage) writeDeclared() error {
	text, err := json.Marshal(s.generation())
	if err != nil {
		return fmt.Errorf("write what is declared: %w", err)
	}
	return s.Write(declaredFile, string(text))
}

// generation returns what the user declares, and the wants links of its units.
func (s *stage) generation() generation.Generation {
	g := generation.Generation{Files: map[string]string{}, Links: map[string]string{}}
	for name, text := range s.declared {
		name = path.Join(".config", name)
		g.Files[name] = text
		for _, target := range wantedBy(text) {
			g.Links[path.Join(path.Dir(name), target+".wants", path.Base(name))] = "../" + path.Base(name)
		}
	}
	return g
}

// relink does what home-manager switch does to the home: it builds the declared files and
// links them. The manager is not reloaded.
func (s *stage) relink(force ...string) error {
	return s.Inside(func() error {
		built, err := s.generation().Build(machine.StoreDir)
		if err != nil {
			return err
		}
		return built.Activate(machine.Home, generation.Activation{UID: machine.UID, GID: machine.GID, Force: force})
	})
}

// wantedBy returns the targets of WantedBy= in a unit's [Install] section.
func wantedBy(unit string) (targets []string) {
	for line := range strings.Lines(unit) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), "WantedBy="); found {
			targets = append(targets, strings.Fields(value)...)
		}
	}
	return targets
}
