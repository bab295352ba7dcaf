package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/regularfile"
)

func (a *app) policyFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.policyDir, "policy", "", "folder of policies to use instead of the built-in ones")
	_ = cmd.MarkFlagDirname("policy")
}

func (a *app) factsFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.factsFile, "facts", "", "judge this facts document (- is standard input) instead of the live system")
	_ = cmd.MarkFlagFilename("facts", "json")
}

// policyFS is the policy folder in force, and its name for messages: the
// flag's, the configuration's, or the built-in one.
func (a *app) policyFS(c config.Config) (fs.FS, string, error) {
	dir := a.policyDir
	if dir == "" {
		dir = c.Policies
	}
	return cli.Policies(dir)
}

func (a *app) loadPolicies(ctx context.Context, c config.Config) (*decide.Policies, error) {
	fsys, name, err := a.policyFS(c)
	if err != nil {
		return nil, err
	}
	return decide.Load(ctx, fsys, decide.Options{Name: name, Trusted: name == ""})
}

// document reads --facts; nil without it.
func (a *app) document(in io.Reader) (*facts.Document, error) {
	switch a.factsFile {
	case "":
		return nil, nil
	case "-":
		return facts.Read("standard input", in)
	}
	f, err := regularfile.Open(a.factsFile)
	if errors.Is(err, regularfile.ErrNotRegular) {
		return nil, fmt.Errorf("read the facts: %w; pipe them to --facts -", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the facts: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > maxFacts {
		return nil, fmt.Errorf("read the facts %s: larger than %d MiB, which no facts document is", a.factsFile, maxFacts>>20)
	}
	return facts.Read(a.factsFile, f)
}

// maxFacts refuses a file by its size alone where that is known; facts.Read
// has the same bound for what it reads.
const maxFacts = 128 << 20

// snapshot is the document to judge: the given file's, or a live one.
func (a *app) snapshot(ctx context.Context, in io.Reader, c config.Config) (*facts.Document, error) {
	doc, err := a.document(in)
	if doc != nil || err != nil {
		return doc, err
	}
	env, err := collect.OfProcess(c)
	if err != nil {
		return nil, err
	}
	memory, done := cli.Recall(ctx, env)
	defer done()
	env.Memory = memory
	return collect.Collect(ctx, env), nil
}
