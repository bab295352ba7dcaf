package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"stackpolicy/units"
)

// shippedProgram is the path of the program in the shipped units.
const shippedProgram = "%h/.local/bin/stackpolicy"

// plainPath matches paths that need no quoting in a unit: without blanks, specifiers,
// variables or escapes (systemd.service(5), "Command lines"). A leading %h is the home.
var plainPath = regexp.MustCompile(`^(%h)?/[A-Za-z0-9_./@:+,-]+$`)

// unitTexts returns the shipped units by name, for a program at the given path.
func unitTexts(program string) (map[string]string, error) {
	if !plainPath.MatchString(program) {
		return nil, fmt.Errorf("the program's path %q is not absolute, or would need quoting in a unit; name another with --program", program)
	}
	names, err := fs.Glob(units.FS, "*")
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, name := range names {
		text, err := fs.ReadFile(units.FS, name)
		if err != nil {
			return nil, fmt.Errorf("read the shipped units: %w", err)
		}
		texts[name] = strings.ReplaceAll(string(text), shippedProgram, program)
	}
	return texts, nil
}

// unitsCommand is hidden, because it is for packagers.
func unitsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "units DIR",
		Short:  "Write the shipped units to a folder",
		Hidden: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name the folder to write to")
			}
			return nil
		},
	}
	program := cmd.Flags().String("program", shippedProgram, "path at which the program will be installed")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		texts, err := unitTexts(*program)
		if err != nil {
			return err
		}
		for name, text := range texts {
			if err := writeNew(filepath.Join(args[0], name), text); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}
