// Package cli has what the project's commands share: errors for wrong command lines,
// where configuration and policies come from, and properties of the terminal.
package cli

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/text"
)

// Root makes cmd the root of a command line. Unknown commands and flags are errors that
// list the known ones. The caller prints errors.
func Root(cmd *cobra.Command) *cobra.Command {
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetFlagErrorFunc(knownFlag)
	fitHelp(cmd)
	cmd.PersistentPreRun = func(c *cobra.Command, _ []string) {
		if !c.Hidden {
			warnOfSudo(c.ErrOrStderr(), cmd.Name(), os.Getuid())
		}
	}
	cmd.SetHelpCommand(&cobra.Command{
		Use: "help [COMMAND]", Short: "Show the help of a command", ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error { return helpOf(cmd, args) },
	})
	cmd.Version = Version()
	cmd.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	cmd.Flags().Bool("version", false, "print the version")
	return Group(cmd)
}

// warnOfSudo says whose units and files sudo makes a command be about.
func warnOfSudo(errs io.Writer, program string, uid int) {
	if by := os.Getenv("SUDO_USER"); uid == 0 && by != "" && by != "root" {
		fmt.Fprintf(errs, "%s: sudo makes this about root's units and configuration; for those of %s leave sudo out\n", program, text.Clean(by))
	}
}

// helpOf shows the help of the command that the arguments name.
func helpOf(root *cobra.Command, args []string) error {
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return knownCommand(cmd, rest)
	}
	cmd.InitDefaultHelpFlag()
	return cmd.Help()
}

// Group makes cmd a command that only has subcommands.
func Group(cmd *cobra.Command) *cobra.Command {
	cmd.Args, cmd.RunE = knownCommand, noCommand
	return cmd
}

// noCommand shows the help of a command that only has subcommands.
func noCommand(cmd *cobra.Command, _ []string) error {
	cmd.SetOut(cmd.ErrOrStderr())
	_ = cmd.Help()
	return errors.New("no command given")
}

// knownCommand returns an error for an unknown command, which lists the known ones.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	return fmt.Errorf("unknown command %q for %q; %s", args[0], cmd.CommandPath(), text.Known(args[0], known))
}

// knownFlag adds the known flags to the error about an unknown flag. After an unknown
// command, the error is about the command: its flags cannot be known.
func knownFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	if before := cmd.Flags().Args(); cmd.HasSubCommands() && len(before) > 0 {
		return knownCommand(cmd, before)
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
	return fmt.Errorf("%w for %q; %s", err, cmd.CommandPath(), text.Known("--"+unknown.GetSpecifiedName(), known))
}

// SeenEnough reports whether an error means that the reader of standard output stopped
// reading, which is no failure.
func SeenEnough(err error) bool {
	var at *fs.PathError
	return errors.As(err, &at) && at.Path == os.Stdout.Name() && errors.Is(at, syscall.EPIPE)
}

// ReadConfig reads the configuration of the account that runs the program.
func ReadConfig() (config.Config, error) {
	return config.Read(config.Path(collect.ConfigHome()))
}

// Width returns the width of the terminal, within bounds; 80 if there is no terminal.
func Width(w io.Writer) int {
	if f, ok := Raw(w).(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return min(columns, 120)
		}
	}
	return 80
}

// Terminal reports whether w is a terminal that can move its cursor.
func Terminal(w io.Writer) bool {
	f, ok := Raw(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// Color reports whether to write colours: on a terminal, unless NO_COLOR is set
// (no-color.org).
func Color(w io.Writer) bool { return Terminal(w) && os.Getenv("NO_COLOR") == "" }

// version is set by builds that know more than Go does, as those without git:
// -ldflags "-X stackpolicy/cmd/internal/cli.version=1.2.3".
var version string

// Version returns the version that the build set, or else that of the module without its v,
// which Go makes from the tag or from the date and the commit, or else the commit.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := strings.TrimPrefix(info.Main.Version, "v")
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) > 12 && v == "(devel)" {
			v = s.Value[:12]
		}
	}
	return v
}

// Program returns a text that is another one for each build of the program: the id that Go
// gives it, and where the file is, its size and its time. Some builds leave out the id.
func Program() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s %d %d %s", path, info.Size(), info.ModTime().UnixNano(), buildID(path))
}

// buildID reads the note that the linker writes (go tool buildid shows it).
func buildID(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	note := f.Section(".note.go.buildid")
	if note == nil || note.Size > 1<<10 {
		return ""
	}
	id, _ := note.Data()
	return string(id)
}
