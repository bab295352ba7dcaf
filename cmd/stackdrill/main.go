// Stackdrill is the program behind `stackpolicy drill`: it breaks things in a throwaway user
// manager, and shows what an audit with the operator's own rules makes of it. See
// stackpolicy drill --help.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/drill"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/text"
)

// endLimit is how long the sandbox may take to end after a signal.
const endLimit = 30 * time.Second

func main() {
	ctx, stop := cli.Context(endLimit)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // the sandbox must be removed although a reader stopped
	os.Exit(run(ctx, os.Args[1:], cli.Localized(os.Stdout), cli.Localized(os.Stderr)))
}

// run does the drill and returns its exit status.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	status := drill.StatusGood
	root := command(&status)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if status, was := cli.Interrupted(ctx); was {
		fmt.Fprintln(errs, "stackpolicy drill: interrupted; the sandbox is removed")
		return status
	}
	if err == nil || cli.SeenEnough(err) {
		return status
	}
	if ctx.Err() != nil {
		err = errors.New("a signal ended it; the sandbox is removed")
	}
	fmt.Fprintf(errs, "stackpolicy drill: %s\n", text.CleanBlock(err.Error()))
	return drill.StatusImpossible
}

func command(status *int) *cobra.Command {
	flags, program := cli.DrillFlags{}, ""
	cmd := &cobra.Command{
		Use: "stackdrill", Short: "Break things in a sandbox, and show what your rules make of it", Long: cli.AboutDrill,
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true, Version: cli.Version(),
	}
	flags.Add(cmd)
	cmd.Flags().StringVar(&program, "stackpolicy", "", "path of stackpolicy (default: beside this program, or in $PATH)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if flags.List {
			return list(cmd.OutOrStdout())
		}
		result, err := do(cmd.Context(), flags, program, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		*status = result.ExitCode
		return write(cmd.OutOrStdout(), flags.Output, result)
	}
	return cmd
}

// do drills with the account's configuration.
func do(ctx context.Context, flags cli.DrillFlags, program string, errs io.Writer) (drill.Result, error) {
	program, err := drill.FindProgram(program)
	if err != nil {
		return drill.Result{}, err
	}
	if err := drill.Enter(ctx); err != nil {
		return drill.Result{}, err
	}
	env, err := collect.OfProcess(config.Config{})
	if err != nil {
		return drill.Result{}, err
	}
	c, err := cli.ReadConfig()
	if err != nil {
		return drill.Result{}, err
	}
	policy := cli.PolicyDir(flags.Policy, c)
	if policy != "" {
		if policy, err = filepath.Abs(policy); err != nil {
			return drill.Result{}, err
		}
	}
	return drill.Run(ctx, drill.Options{
		Program: program, Policy: policy, Only: flags.Only, ConfigHome: env.ConfigHome, Config: c, Progress: progress(errs),
		Outside: drill.Outside{ConfigHome: env.ConfigHome, StateHome: env.StateHome, DataHome: env.DataHome, RuntimeDir: env.RuntimeDir},
	})
}

// progress shows on a terminal how far the drill is.
func progress(errs io.Writer) func(done, all int, name string) {
	if !cli.Terminal(errs) {
		return nil
	}
	return func(done, all int, name string) {
		fmt.Fprintf(errs, "\r\x1b[K%d/%d %s", done, all, name)
		if done == all {
			fmt.Fprint(errs, "\r\x1b[K")
		}
	}
}

func write(w io.Writer, format string, r drill.Result) error {
	if format == "text" {
		return drill.Write(w, r, cli.Width(w))
	}
	e := json.NewEncoder(cli.Raw(w))
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

func list(w io.Writer) error {
	for _, name := range drill.Rows() {
		if _, err := fmt.Fprintf(w, "%-24s %s\n", name, drill.Does(name)); err != nil {
			return err
		}
	}
	return nil
}
