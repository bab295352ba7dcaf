package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/text"
)

// podmanLimit bounds the calls of podman.
const podmanLimit = 10 * time.Second

// packaged returns the folders where a package installs units for all users.
func packaged() []string {
	return []string{"/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"}
}

func initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Set up audits without Nix: a configuration and units",
		Long: `Shows the configuration and the units that it would write. They are made from
what it finds: the units in the user's unit folder, podman, and the compose
projects of its containers. A project that one of your units runs becomes a
stack; if that unit is a oneshot without a verify step, a drop-in adds one. If the
configuration has probes, a drop-in lets the audit use the network. Another one
keeps podman's log of each request out of the journal. With --write it writes
them. Then it lists the commands to run next. It never replaces a file: an
existing configuration or drop-in is kept, and a unit that differs is an error
that names it. With --remove it removes the files that it wrote, except for those
that were edited since.

An audit runs every ten minutes and after changes, by a timer and path units. With
--watch, one process that keeps running audits instead of them, sooner after a change.
To go from one to the other, run init again with or without --watch.

If chezmoi or stow installs your dotfiles, name their folders with --units and
--config. With Home Manager, use the module instead.`,
		Example: `  stackpolicy init
  stackpolicy init --write
  stackpolicy init --write --watch
  stackpolicy init --write --units ~/dotfiles/.config/systemd/user
  stackpolicy init --remove`,
		Args: cobra.NoArgs,
	}
	var o wish
	cmd.Flags().BoolVar(&o.write, "write", false, "write the files, instead of showing them")
	cmd.Flags().BoolVar(&o.watch, "watch", false, "audit by stackpolicy-watch.service, instead of the timer and path units")
	cmd.Flags().StringVar(&o.units, "units", "", "folder for the units (default: the user's unit folder)")
	cmd.Flags().StringVar(&o.config, "config", "", "file for the configuration; - only prints it (default: where it is read from)")
	cmd.Flags().StringVar(&o.program, "program", "", "program that the units run (default: this one)")
	remove := cmd.Flags().Bool("remove", false, "remove the files that init wrote")
	for _, other := range []string{"write", "watch", "units", "config", "program"} {
		cmd.MarkFlagsMutuallyExclusive("remove", other)
	}
	_ = cmd.MarkFlagDirname("units")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		env, err := collect.OfProcess(config.Config{})
		if err != nil {
			return err
		}
		if *remove {
			return removeWritten(env, cmd.OutOrStdout())
		}
		toOutput := o.config == "-"
		if toOutput {
			o.config, o.write = "", false
		}
		s, err := setUp(cmd.Context(), env, o, packaged())
		if err != nil {
			return err
		}
		if toOutput {
			_, err := io.WriteString(cli.Raw(cmd.OutOrStdout()), s.files[0].text)
			return err
		}
		return s.carryOut(cmd.OutOrStdout(), o.write)
	}
	return cmd
}

// wish is what the command line requests.
type wish struct {
	write, watch           bool
	units, config, program string
}

// setup is what init would write, and what it reports.
type setup struct {
	env     collect.Environment
	unitDir string // where units are written
	watches bool   // the watch audits, not the timer and path units
	files   []file // the configuration first
	found   found
}

// setUp collects what is there, and plans; system has the folders of packaged units.
func setUp(ctx context.Context, env collect.Environment, o wish, system []string) (*setup, error) {
	s := &setup{env: env, watches: o.watch}
	var at string
	var err error
	if s.unitDir, err = filepath.Abs(cmp.Or(o.units, env.UnitDir())); err != nil {
		return nil, err
	}
	if at, err = filepath.Abs(cmp.Or(o.config, config.Path(env.ConfigHome))); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	s.found = findAll(limited, env, s.unitDir)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.findOwners()
	if o.units == "" {
		s.found.packagedIn = packagedIn(system)
	}
	s.files = []file{{path: at, text: starter(s.found), own: true}}
	if err := s.files[0].compare(); err != nil {
		return nil, err
	}
	if s.files[0].state == kept {
		s.found.keepDeclared(at)
	}
	if err := s.planUnits(o.program); err != nil {
		return nil, err
	}
	for i := range s.files {
		if err := s.files[i].compare(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *setup) planUnits(program string) error {
	var err error
	if program == "" {
		if program, err = ownPath(); err != nil {
			return err
		}
	}
	stackctl := filepath.Join(filepath.Dir(program), "stackctl")
	if _, err := os.Stat(stackctl); err != nil {
		stackctl = ""
	}
	s.planVerify(s.inUnits(stackctl))
	s.planProbes()
	s.planPodman()
	if s.found.packagedIn != "" {
		return nil
	}
	if temporary(s.inUnits(program)) {
		return fmt.Errorf("%s is a temporary file; install the program first, or name it with --program", program)
	}
	texts, err := unitTexts(s.inUnits(program))
	for _, name := range sortedKeys(s.withoutUnused(texts)) {
		s.files = append(s.files, file{path: filepath.Join(s.unitDir, name), text: texts[name]})
	}
	return err
}

// probesDropIn lets the audit, or the watch, open the sockets of probes.
const probesDropIn = `# "stackpolicy init" wrote this file, because the configuration has probes.
[Service]
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
`

// planProbes plans a drop-in for the process that audits if the configuration has probes.
func (s *setup) planProbes() {
	c, err := config.Read(s.files[0].path)
	if err != nil { // the next audit says what is wrong
		return
	}
	for _, stack := range c.Stacks {
		if len(stack.Probes) > 0 {
			s.files = append(s.files, file{path: s.dropIn(s.auditService(), "probes.conf"), text: probesDropIn, own: true})
			return
		}
	}
}

// podmanDropIn keeps the line that podman's service logs for each request, of which an audit
// makes dozens, out of the journal. LOGGING is the variable of the service that podman ships.
// The name lets an operator's override.conf win.
const podmanDropIn = `# "stackpolicy init" wrote this file. Without it, podman logs each request that
# an audit makes.
[Service]
Environment=LOGGING=--log-level=warn
`

// planPodman plans a drop-in for podman's service if podman is installed.
func (s *setup) planPodman() {
	if s.found.podman {
		s.files = append(s.files, file{path: s.dropIn("podman.service", "10-stackpolicy.conf"), text: podmanDropIn, own: true})
	}
}

// inUnits returns a path as units write it: below %h where it is in the home, because
// dotfiles go to more than one home.
func (s *setup) inUnits(path string) string {
	if below, ok := strings.CutPrefix(path, s.env.Home+"/"); ok {
		return "%h/" + below
	}
	return path
}

// temporary reports whether a program is in a folder such as that of `go run`.
func temporary(program string) bool {
	return strings.HasPrefix(program, "/tmp/") || strings.HasPrefix(program, os.TempDir()+"/")
}

// ownPath returns the path of this program: its name in PATH, or else its file. The
// name in PATH stays the same after an update if it is a link, for example into the
// Nix store.
func ownPath() (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	this, err := os.Stat(own)
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		named := filepath.Join(dir, filepath.Base(own))
		if info, err := os.Stat(named); err == nil && filepath.IsAbs(named) && os.SameFile(info, this) {
			return named, nil
		}
	}
	return own, nil
}

// carryOut writes the files if requested, and reports what was or would be done.
func (s *setup) carryOut(w io.Writer, write bool) error {
	if err := s.refuse(); err != nil {
		return err
	}
	if write {
		if err := record(s.env, s.files); err != nil {
			return err
		}
	}
	for i := range s.files {
		f := &s.files[i]
		if !write || f.state != absent {
			continue
		}
		if err := writeNew(f.path, f.text); err != nil {
			return err
		}
		f.state = written
	}
	_, err := io.WriteString(w, s.describe(write, cli.Width(w)))
	return err
}

// refuse returns an error that names every existing file that differs.
func (s *setup) refuse() error {
	var errs []error
	for _, f := range s.files {
		if f.state == differs {
			errs = append(errs, fmt.Errorf("%s exists and differs", f.path))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	hint := "nothing was written; move away what you do not need, or write the units to another folder with --units and compare"
	return errors.Join(append(errs, errors.New(hint))...)
}

// describe lists the files, what was found, and what to do next.
func (s *setup) describe(wrote bool, width int) string {
	var b strings.Builder
	for _, f := range s.files {
		fmt.Fprintf(&b, "%-13s  %s\n", f.state, text.Clean(f.path))
	}
	for _, note := range s.found.notes() {
		fmt.Fprintf(&b, "%s\n", strings.Join(text.Wrap(text.Clean(note), width), "\n"))
	}
	if c := s.files[0]; c.state == absent {
		fmt.Fprintf(&b, "\n%s:\n\n%s", text.Clean(c.path), indent(c.text))
	}
	b.WriteString("\nNext:\n\n")
	if !wrote {
		b.WriteString("    stackpolicy init --write, with the same flags\n")
		return b.String()
	}
	for _, step := range s.steps() {
		fmt.Fprintf(&b, "    %s\n", text.Clean(step))
	}
	return b.String()
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight("    "+line, " \n") + "\n")
	}
	return b.String()
}

// steps lists the commands to run next, in order.
func (s *setup) steps() (steps []string) {
	if s.unitDir != s.env.UnitDir() || s.files[0].path != config.Path(s.env.ConfigHome) {
		steps = append(steps, "chezmoi apply (or stow, or whatever puts your dotfiles in place)")
	}
	return append(append(steps, s.enabling()...), "loginctl enable-linger", "stackpolicy eval")
}
