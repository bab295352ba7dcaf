package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"stackpolicy/facts"
)

// claims are the promises, in the order of the table.
var claims = []struct {
	letter  string
	measure func(*bench, context.Context) ([]row, error)
}{
	{"a", (*bench).wholeAudit},
	{"b", (*bench).deciding},
	{"c", (*bench).startToExit},
	{"d", (*bench).perUnit},
	{"e", (*bench).remembering},
}

func letters() []string {
	var list []string
	for _, c := range claims {
		list = append(list, c.letter)
	}
	return list
}

// bench is one run of the benchmark.
type bench struct {
	options
	tools
	rules
	place          // this machine, with an empty home
	scratch string // everything that is written; any account may read it
	log     io.Writer
	began   time.Time

	recorded *facts.Document // see document
}

// prepare builds the tools and writes the rules.
func prepare(ctx context.Context, scratch string, o options, log io.Writer) (*bench, error) {
	if err := os.Chmod(scratch, 0o755); err != nil {
		return nil, fmt.Errorf("open the scratch folder: %w", err)
	}
	b := &bench{options: o, scratch: scratch, log: log, began: time.Now()}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	b.place = place{helper: filepath.Join(scratch, "bench"), output: filepath.Join(scratch, "output"), command: b.here}
	if err := install(program, b.helper); err != nil {
		return nil, err
	}
	if b.rules, err = writeRules(scratch); err != nil {
		return nil, err
	}
	b.tools, err = buildTools(ctx, scratch, b.say)
	return b, err
}

// install copies this program to where the scene's account may run it.
func install(program, to string) error {
	text, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(to, text, 0o755)
	}
	if err != nil {
		return fmt.Errorf("install the measuring program: %w", err)
	}
	return nil
}

// here is a command on this machine that finds nobody's configuration.
func (b *bench) here(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	home := filepath.Join(b.scratch, "home")
	cmd.Env = []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}
	return cmd
}

// say reports progress.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.log, "%4.0fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// document writes a document of n units and returns its path. It comes from a
// scene of 50, whose units are multiplied.
func (b *bench) document(ctx context.Context, n int) (string, error) {
	const recorded = 50
	if b.recorded == nil {
		s, err := b.openStage(ctx, recorded)
		if err != nil {
			return "", err
		}
		defer s.close(b)
		if b.recorded, err = s.record(ctx, b, recorded); err != nil {
			return "", err
		}
	}
	doc, err := multiply(b.recorded, n)
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.scratch, fmt.Sprintf("%d.json", n))
	return path, write(doc, path)
}

// agree makes sure that two contestants find the same.
func (p place) agree(ctx context.Context, ours, theirs contestant, theirCount counter) error {
	n, err := p.count(ctx, ours, countReport)
	if err != nil {
		return err
	}
	m, err := p.count(ctx, theirs, theirCount)
	if err != nil {
		return err
	}
	return sameFindings(n, m)
}

// wholeAudit: 1,000 loaded units, from asking systemd to the verdict.
func (b *bench) wholeAudit(ctx context.Context) ([]row, error) {
	const units = 1000
	s, err := b.openStage(ctx, units)
	if err != nil {
		return nil, err
	}
	defer s.close(b)
	doc, err := s.record(ctx, b, units)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(b.scratch, "stage.json")
	if err := write(doc, path); err != nil {
		return nil, err
	}
	var names []string
	for _, u := range doc.Units {
		names = append(names, u.Name)
	}
	conftest := b.conftestTest(b.rules, path)
	if err := s.agree(ctx, b.audit(), conftest, countConftest); err != nil {
		return nil, err
	}
	took, err := s.race(ctx, b.long, b.audit(), show(names), conftest)
	if err != nil {
		return nil, err
	}
	return []row{{
		claim: "a", about: "audit, 1000 loaded units", against: "show+test", unit: "s", bound: 0.35,
		ours: seconds(took[0]), theirs: sum(seconds(took[1]), seconds(took[2])),
	}}, nil
}

// deciding: a recorded document of 1,000 units, in time and in memory.
func (b *bench) deciding(ctx context.Context) ([]row, error) {
	path, err := b.document(ctx, 1000)
	if err != nil {
		return nil, err
	}
	eval, conftest := b.eval(path), b.conftestTest(b.rules, path)
	if err := b.agree(ctx, eval, conftest, countConftest); err != nil {
		return nil, err
	}
	took, err := b.race(ctx, b.short, eval, conftest)
	if err != nil {
		return nil, err
	}
	return []row{{
		claim: "b", about: "decide 1000 units", against: "conftest", unit: "s", bound: 0.5,
		ours: seconds(took[0]), theirs: seconds(took[1]),
	}, {
		claim: "b", about: "the same, peak memory", against: "conftest", unit: "MiB", bound: 0.5,
		ours: mebibytes(took[0]), theirs: mebibytes(took[1]),
	}}, nil
}

// startToExit: a document of 50 units, where starting is most of it.
func (b *bench) startToExit(ctx context.Context) ([]row, error) {
	path, err := b.document(ctx, 50)
	if err != nil {
		return nil, err
	}
	eval, opa := b.eval(path), b.opaEval(b.rules, path)
	if err := b.agree(ctx, eval, opa, countOPA); err != nil {
		return nil, err
	}
	took, err := b.race(ctx, b.short, eval, opa)
	if err != nil {
		return nil, err
	}
	return []row{{
		claim: "c", about: "50 units, start to exit", against: "opa eval", unit: "s", bound: 0.6,
		ours: seconds(took[0]), theirs: seconds(took[1]),
	}}, nil
}

// perUnit: the cost of one unit among 10,000 and among 1,000.
func (b *bench) perUnit(ctx context.Context) ([]row, error) {
	few, err := b.document(ctx, 1000)
	if err != nil {
		return nil, err
	}
	many, err := b.document(ctx, 10000)
	if err != nil {
		return nil, err
	}
	if err := b.agree(ctx, b.eval(many), b.conftestTest(b.rules, many), countConftest); err != nil {
		return nil, err
	}
	took, err := b.race(ctx, b.long, b.eval(many), b.eval(few))
	if err != nil {
		return nil, err
	}
	return []row{{
		claim: "d", about: "a unit among 10000", against: "among 1000", unit: "ms", bound: 1.3,
		ours: each(seconds(took[0]), 10), theirs: each(seconds(took[1]), 1),
	}}, nil
}

// each turns the seconds of so many thousand units into milliseconds a unit.
func each(seconds []float64, thousands float64) []float64 {
	list := make([]float64, len(seconds))
	for i, s := range seconds {
		list[i] = s / thousands
	}
	return list
}
