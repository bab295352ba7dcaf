package docs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/usermanager"
)

// manager is a real user manager with the sample stacks and the audit's timer,
// linked and running: every invariant holds.
type manager struct{ *scene.Scene }

func openManager(ctx context.Context) (stage, error) {
	stacks, err := scene.Open(ctx, filepath.Join(bin, "stackpolicy"), usermanager.Options{}, nil)
	if err != nil {
		return nil, err
	}
	m := manager{stacks}
	if err := m.furnish(); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m manager) furnish() error {
	_, err := m.Install(filepath.Join(bin, "stackctl"))
	err = errors.Join(err, m.Podman(scene.Containers()...), shipped(m.write))
	for _, program := range []string{"stackpolicy", "stackctl"} {
		err = errors.Join(err, m.Link(filepath.Join(m.BinDir, program), filepath.Join(m.Home, ".local/bin", program)))
	}
	return err
}

// shipped writes the project's folder of units: pages that run as another user need
// no other files of the project.
func shipped(write func(path, text string) error) error {
	return fs.WalkDir(os.DirFS("../units"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".go") {
			return err
		}
		text, err := os.ReadFile(filepath.Join("../units", name))
		return errors.Join(err, write("~/stackpolicy/units/"+name, string(text)))
	})
}

func (m manager) run(ctx context.Context, script string) result {
	return finish(m.Command(ctx, "sh", "-euc", "cd ~/stackpolicy\n"+script))
}

func (m manager) write(path, text string) error {
	return m.Write(filepath.Join(m.Home, strings.TrimPrefix(path, "~/")), text)
}

func (m manager) close() error { return m.Close() }
