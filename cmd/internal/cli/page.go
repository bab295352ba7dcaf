package cli

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// write writes the man page of the program with that root command.
func (m Manual) write(w io.Writer, root *cobra.Command, version string, date time.Time) error {
	var p mdoc
	about, statuses := cutStatuses(root.Long)
	p.macro("Dd", date.Format("January 2, 2006"))
	p.macro("Dt", strings.ToUpper(root.Name()), "1")
	p.raw("Os", plain(root.Name()+" "+version))
	p.macro("Sh", "NAME")
	p.macro("Nm", root.Name())
	p.raw("Nd", plain(lower(root.Short)))
	p.macro("Sh", "SYNOPSIS")
	commands := leaves(root)
	for _, c := range commands {
		p.raw("Nm", arg(root.Name()), usage(c))
	}
	p.macro("Sh", "DESCRIPTION")
	p.text(about)
	p.macro("Sh", "COMMANDS")
	for _, c := range commands {
		p.command(c)
	}
	p.entries("ENVIRONMENT", "Ev", m.Environment)
	p.entries("FILES", "Pa", m.Files)
	p.macro("Sh", "EXIT STATUS")
	p.text(statuses)
	p.seeAlso(m.SeeAlso)
	_, err := w.Write(p.Bytes())
	return err
}

const statusHeading = "\nExit status:\n"

// cutStatuses removes the table of exit statuses from a command's description, because
// the page has it only once.
func cutStatuses(long string) (about, statuses string) {
	about, statuses, _ = strings.Cut(long, statusHeading)
	return strings.TrimSpace(about), statuses
}

// leaves returns the commands without subcommands, in the order of the help. The
// completion commands of all shells are listed as one command.
func leaves(cmd *cobra.Command) (found []*cobra.Command) {
	for _, c := range cmd.Commands() {
		switch {
		case !c.IsAvailableCommand() || c.Name() == "help":
		case c.HasAvailableSubCommands() && c.Name() != "completion":
			found = append(found, leaves(c)...)
		default:
			found = append(found, c)
		}
	}
	return found
}

// command writes the description of a command, its flags and examples.
func (p *mdoc) command(c *cobra.Command) {
	path, args := plainUsage(c)
	p.raw("Ss", plain(path+" "+strings.ReplaceAll(args, "…", " ...")))
	if c.Name() == "completion" {
		p.text("Writes the completion script of a shell, for the shell to source. With --help it says where the shell looks for it.")
		return
	}
	about, _ := cutStatuses(c.Long)
	if about == "" {
		about = c.Short + "."
	}
	p.text(about)
	p.flags(c)
	if c.Example != "" {
		p.raw("Pp")
		p.text("Examples:\n" + c.Example)
	}
}

func (p *mdoc) flags(c *cobra.Command) {
	flags := shown(c)
	if len(flags) == 0 {
		return
	}
	p.raw("Bl -tag -width Ds")
	for _, f := range flags {
		p.raw("It", flagLine(f))
		_, meaning := pflag.UnquoteUsage(f)
		p.text(upper(meaning) + defaultOf(f) + ".")
	}
	p.raw("El")
}

// shown returns the flags that a page explains: all except --help.
func shown(c *cobra.Command) (flags []*pflag.Flag) {
	if c.Name() == "completion" {
		return nil
	}
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !f.Hidden {
			flags = append(flags, f)
		}
	})
	return flags
}

func flagLine(f *pflag.Flag) string {
	line := "Fl " + arg("-"+f.Name)
	if f.Shorthand != "" {
		line = "Fl " + arg(f.Shorthand) + " , " + line
	}
	if value, _ := pflag.UnquoteUsage(f); value != "" {
		line += " Ar " + arg(value)
	}
	return line
}

// defaultOf returns the default of a flag, unless it is empty, false or zero.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
		return ""
	}
	return "; the default is " + f.DefValue
}

// entries writes a section of names with their meanings.
func (p *mdoc) entries(section, macro string, entries []Entry) {
	if len(entries) == 0 {
		return
	}
	p.macro("Sh", section)
	p.raw("Bl -tag -width Ds")
	for _, e := range entries {
		p.raw("It", macro, arg(e.Name))
		p.text(e.Text)
	}
	p.raw("El")
}

func (p *mdoc) seeAlso(pages []string) {
	if len(pages) == 0 {
		return
	}
	p.macro("Sh", "SEE ALSO")
	for i, page := range pages {
		name, section, _ := strings.Cut(strings.TrimSuffix(page, ")"), "(")
		line := arg(name) + " " + section
		if i < len(pages)-1 {
			line += " ,"
		}
		p.raw("Xr", line)
	}
}

// usage returns a command and its arguments in mdoc.
func usage(c *cobra.Command) string {
	path, args := plainUsage(c)
	words := strings.Fields(path)
	for i, w := range words {
		words[i] = "Cm " + arg(w)
	}
	if len(shown(c)) > 0 {
		words = append(words, "Oo Ar flag ... Oc")
	}
	for w := range strings.FieldsSeq(args) {
		w, optional := strings.CutPrefix(w, "[")
		w, more := strings.CutSuffix(strings.TrimSuffix(w, "]"), "…")
		w = "Ar " + arg(w)
		if more {
			w += " ..."
		}
		if optional {
			w = "Oo " + w + " Oc"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// plain escapes words on a macro's line that could be read as macros, and an end that
// could be read as punctuation.
func plain(text string) string {
	var words []string
	for w := range strings.FieldsSeq(text) {
		words = append(words, arg(w))
	}
	return strings.Join(words, " ") + `\&`
}

// plainUsage returns a command without the program's name, and its arguments.
func plainUsage(c *cobra.Command) (path, args string) {
	if c.Name() == "completion" {
		return c.Name(), "SHELL"
	}
	_, path, _ = strings.Cut(c.CommandPath(), " ")
	_, args, _ = strings.Cut(c.Use, " ")
	return path, args
}
