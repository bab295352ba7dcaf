package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"stackpolicy/cmd/internal/cli"
)

func TestMain(m *testing.M) {
	cli.ServeRules()
	testscript.Main(cleaning{m}, map[string]func(){"stackfleet": main})
}

// cleaning removes the programs that the tests built.
type cleaning struct{ m *testing.M }

func (c cleaning) Run() int {
	defer func() { _ = os.RemoveAll(builtIn) }()
	return c.m.Run()
}

// TestScripts runs the transcripts in testdata/stackfleet: the program as an operator uses it.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/stackfleet",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               offline,
	})
}

// offline gives a script a home of its own.
func offline(e *testscript.Env) error {
	bin, _, _ := strings.Cut(e.Getenv("PATH"), string(os.PathListSeparator))
	e.Vars = append(e.Vars,
		"PATH="+bin, "HOME="+filepath.Join(e.WorkDir, "home"), "XDG_STATE_HOME=", "XDG_CONFIG_HOME=",
		"XDG_RUNTIME_DIR="+filepath.Join(e.WorkDir, "nowhere"), "NO_COLOR=", "TERM=dumb", "USER=alice",
		"LC_ALL=C.UTF-8",
	)
	return os.Mkdir(filepath.Join(e.WorkDir, "home"), 0o755)
}
