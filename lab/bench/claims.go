package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"stackpolicy/facts"
	"stackpolicy/history"
	"stackpolicy/lab/bench/contest"
	"stackpolicy/lab/bench/past"
)

// claims are the promises of speed, in the order of the table.
var claims = []struct {
	letter  string
	measure func(*bench, context.Context) ([]row, error)
}{
	{"a", (*bench).wholeAudit},
	{"b", (*bench).deciding},
	{"c", (*bench).startToExit},
	{"d", (*bench).perUnit},
	{"e", (*bench).remembering},
	{"f", (*bench).again},
	{"g", (*bench).rules30Days},
	{"h", (*bench).twoBuilds},
	{"i", (*bench).watching},
	{"j", (*bench).idling},
	{"k", (*bench).churning},
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
	contest.Place        // this machine, with an empty home
	scratch       string // every file of the run; every account can read it
	log           io.Writer
	began         time.Time

	recorded *facts.Document // nil until document needs it
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
	b.Place = contest.Place{Helper: filepath.Join(scratch, "bench"), Output: filepath.Join(scratch, "output"), Command: b.here}
	if err := errors.Join(install(program, b.Helper), os.Mkdir(filepath.Join(scratch, "home"), 0o755)); err != nil {
		return nil, err
	}
	if b.rules, err = writeRules(scratch); err != nil {
		return nil, err
	}
	b.tools, err = buildTools(ctx, scratch, b.say)
	return b, err
}

// install copies this program to a folder where the scene's account can run it.
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

// here returns a command on this machine that reads no user's configuration.
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

// document writes a document of n units and returns its path. It multiplies the units of a
// stage with 50 units.
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
	doc, err := past.Multiply(b.recorded, n)
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.scratch, fmt.Sprintf("%d.json", n))
	return path, write(doc, path)
}

// write writes a document as `stackpolicy facts` prints it. Every account can read the file.
func write(doc *facts.Document, path string) error {
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("write a document: %w", err)
	}
	return writeFile(path, text)
}

// wholeAudit measures an audit of 1,000 loaded units, from the first question to systemd up to
// the verdict.
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
	if err := s.Agree(ctx, b.audit(), conftest, contest.CountConftest); err != nil {
		return nil, err
	}
	took, err := s.Race(ctx, b.long, b.audit(), show(names), conftest)
	if err != nil {
		return nil, err
	}
	return []row{{
		claim: "a", about: "audit, 1000 loaded units", against: "show+test", unit: "s", bound: 0.35,
		ours: seconds(took[0]), theirs: sum(seconds(took[1]), seconds(took[2])),
	}}, nil
}

// deciding measures time and memory for a recorded document of 1,000 units.
func (b *bench) deciding(ctx context.Context) ([]row, error) {
	path, err := b.document(ctx, 1000)
	if err != nil {
		return nil, err
	}
	eval, conftest := b.eval(path), b.conftestTest(b.rules, path)
	if err := b.Agree(ctx, eval, conftest, contest.CountConftest); err != nil {
		return nil, err
	}
	took, err := b.Race(ctx, b.short, eval, conftest)
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

// startToExit measures a document of 50 units, where most of the time is the start.
func (b *bench) startToExit(ctx context.Context) ([]row, error) {
	path, err := b.document(ctx, 50)
	if err != nil {
		return nil, err
	}
	eval, opa := b.eval(path), b.opaEval(b.rules, path)
	if err := b.Agree(ctx, eval, opa, contest.CountOPA); err != nil {
		return nil, err
	}
	took, err := b.Race(ctx, b.short, eval, opa)
	if err != nil {
		return nil, err
	}
	return []row{{
		claim: "c", about: "50 units, start to exit", against: "opa eval", unit: "s", bound: 0.6,
		ours: seconds(took[0]), theirs: seconds(took[1]),
	}}, nil
}

// perUnit measures the time for one unit, among 10,000 and among 1,000.
func (b *bench) perUnit(ctx context.Context) ([]row, error) {
	few, err := b.document(ctx, 1000)
	if err != nil {
		return nil, err
	}
	many, err := b.document(ctx, 10000)
	if err != nil {
		return nil, err
	}
	if err := b.Agree(ctx, b.eval(many), b.conftestTest(b.rules, many), contest.CountConftest); err != nil {
		return nil, err
	}
	took, err := b.Race(ctx, b.long, b.eval(many), b.eval(few))
	if err != nil {
		return nil, err
	}
	return []row{{
		claim: "d", about: "a unit among 10000", against: "among 1000", unit: "ms", bound: 1.3,
		ours: each(seconds(took[0]), 10), theirs: each(seconds(took[1]), 1),
	}}, nil
}

// remembering measures an audit of 50 units with a history of a year, and with none.
func (b *bench) remembering(ctx context.Context) ([]row, error) {
	const units = 50
	s, err := b.openStage(ctx, units)
	if err != nil {
		return nil, err
	}
	defer s.close(b)
	doc, err := s.record(ctx, b, units)
	if err != nil {
		return nil, err
	}
	b.say("record a year of %d units", units)
	lived := filepath.Join(b.scratch, "lived")
	if err := past.Live(ctx, lived, doc, time.Now(), 365, nil); err != nil {
		return nil, err
	}
	info, err := os.Stat(history.Path(lived))
	if err != nil {
		return nil, fmt.Errorf("read the size of the memory: %w", err)
	}
	b.say("it takes %.1f MB", float64(info.Size())/1e6)
	year, err1 := s.stateHome("year", history.Path(lived))
	empty, err2 := s.stateHome("empty", "")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if err := s.Agree(ctx, b.auditWith(year), b.auditWith(empty), contest.CountReport); err != nil {
		return nil, err
	}
	took, err := s.Race(ctx, 2*b.short, b.auditWith(year), b.auditWith(empty))
	if err != nil {
		return nil, err
	}
	return []row{{
		claim: "e", about: "50 units, a year recalled", against: "an empty one", unit: "s", bound: 1.1,
		ours: seconds(took[0]), theirs: seconds(took[1]),
	}}, nil
}
