package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"stackpolicy/cmd/internal/cli"
)

// drillProgram is a program of its own, so that this one needs nothing of a sandbox.
const drillProgram = "stackdrill"

func drillCommand() *cobra.Command {
	flags := cli.DrillFlags{}
	cmd := &cobra.Command{
		Use:   "drill",
		Short: "Break things in a sandbox, and show what your rules make of it",
		Long:  cli.AboutDrill,
		Example: `  stackpolicy drill
  stackpolicy drill --policy ./rules --only stale-unit,ghost
  stackpolicy drill -o json`,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags.Add(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		own, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		program, err := findDrill(own, filepath.SplitList(os.Getenv("PATH")))
		if err != nil {
			return err
		}
		argv := append([]string{drillProgram, "--stackpolicy=" + own}, flags.Args()...)
		return fmt.Errorf("run %s: %w", program, syscall.Exec(program, argv, os.Environ()))
	}
	return cmd
}

// findDrill returns the path of stackdrill: beside this program, where packages put it, or in
// one of the folders of PATH.
func findDrill(own string, path []string) (string, error) {
	beside := filepath.Dir(own)
	folders := append([]string{beside, filepath.Join(beside, "../libexec/stackpolicy")}, path...)
	for _, folder := range folders {
		name := filepath.Join(folder, drillProgram)
		info, err := os.Stat(name)
		if filepath.IsAbs(name) && err == nil && info.Mode().IsRegular() && unix.Access(name, unix.X_OK) == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("the program %s is not installed: it is in the package of stackpolicy, as libexec/stackpolicy/%s; "+
		"put it beside %s, or into a folder of $PATH (from source: go build ./cmd/%s)", drillProgram, drillProgram, own, drillProgram)
}
