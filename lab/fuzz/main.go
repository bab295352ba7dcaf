// Command fuzz runs every fuzz target of the repository, one after another, and prints how
// many inputs each was given. A target that fails leaves its input in testdata/fuzz of its
// package, from where go test runs it again; the exit status is 1.
//
//	go run ./lab/fuzz [-time 10s]
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// target is a function of a package.
type target struct{ folder, name string }

func main() {
	each := flag.Duration("time", 10*time.Second, "how long each target runs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	targets, err := targets(".")
	for _, t := range targets {
		n, bad := t.run(ctx, *each)
		fmt.Printf("%-40s %12s inputs\n", t.folder+"."+t.name, n)
		err = errors.Join(err, bad)
		if ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var function = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)

// targets returns the targets below a folder, sorted.
func targets(root string) (all []target, err error) {
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(text, -1) {
			all = append(all, target{filepath.Dir(path), string(m[1])})
		}
		return err
	})
	if err == nil && len(all) == 0 {
		err = errors.New("there is no fuzz target below " + root)
	}
	return all, err
}

// outOfTime is what go test prints where its time was up while an input was tried: an error of
// Go's own until 1.27 (golang/go#75804), by which nothing was found.
var outOfTime = regexp.MustCompile(`--- FAIL: Fuzz\w+ \([0-9.]+s\)\n {4}context deadline exceeded\nFAIL\n`)

// failed returns whether the output of a go test that ended with an error is of a target
// that failed.
func failed(out []byte) bool {
	return !outOfTime.Match(out) || bytes.Contains(out, []byte("Failing input written"))
}

var executed = regexp.MustCompile(`execs: (\d+)`)

// run runs a target, and returns how many inputs it was given, as go test prints it.
func (t target) run(ctx context.Context, each time.Duration) (inputs string, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-vet=off", "-run=^$", "-fuzz=^"+t.name+"$", "-fuzztime="+each.String(), "./"+t.folder)
	out, err := cmd.CombinedOutput()
	if err != nil && failed(out) {
		return "no", fmt.Errorf("%s.%s: %w\n%s", t.folder, t.name, err, out)
	}
	m := executed.FindAllSubmatch(out, -1)
	if m == nil {
		return "no", fmt.Errorf("%s.%s was given no input:\n%s", t.folder, t.name, out)
	}
	return string(m[len(m)-1][1]), nil
}
