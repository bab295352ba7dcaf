package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/release"
	"stackpolicy/fleet/release/oci"
	"stackpolicy/internal/text"
)

// releases is what the commands of releases share.
type releases struct {
	app        *app
	repository string // value of --repository; "" is in the hub's folder
}

func (a *app) release() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "release",
		Short: "Make, sign and stage releases of rules",
		Long: `Makes, signs and stages releases of rules. Hosts take a release by themselves: they
verify it, test it, let it decide in shadow, and use it when its stage is open.

Two of three people sign each release and each change of its stages. The hub's own key
only says that what they signed is still the newest.

  stackfleet release key ada                 each person, on their own machine
  stackfleet release init --key ada.pub --key bob.pub --key eve.pub
  stackfleet release sign --key ada.key      two of the three
  stackfleet release build ./rules
  stackfleet release sign --key ada.key --rules ./rules
  stackfleet release stage stable            opens the next stage; then sign`,
	}
	r := &releases{app: a}
	cmd.PersistentFlags().StringVar(&r.repository, "repository", "", "`FOLDER` of the releases (default release in the hub's folder)")
	cmd.AddCommand(r.key(), r.init(), r.keys(), r.build(), r.sign(), r.stage(), r.halt(), r.status(), r.push(), r.discard())
	return cli.Group(cmd)
}

func (r *releases) open() (release.Repository, error) {
	if r.repository != "" {
		dir, err := filepath.Abs(r.repository)
		return release.At(dir), err
	}
	dir, err := r.app.folder()
	return release.At(filepath.Join(dir, "release")), err
}

// waiting says what waits for signatures, and what to do.
func waiting(w io.Writer, signed []release.Signatures) {
	for _, s := range signed {
		role, by, isBy := strings.Cut(s.Role, ",")
		if role == "targets" {
			role = "list of releases"
		}
		if isBy {
			by = "," + by
		}
		fmt.Fprintf(w, "%s %d%s: %s\n", role, s.Version, by, text.Clean(s.String()))
	}
}

// warn says what ends soon.
func warn(w io.Writer, s release.Status, now time.Time) {
	for _, e := range s.Ends {
		if words := e.Warning(now); words != "" {
			fmt.Fprintf(w, "stackfleet: %s\n", text.Clean(words))
		}
	}
}

// describe writes a plan for somebody who is about to sign it.
func describe(w io.Writer, p release.Plan) {
	after := ""
	if p.Previous > 0 {
		after = fmt.Sprintf(", after %d", p.Previous)
	}
	fmt.Fprintf(w, "release %d of channel %s%s\n", p.Version, p.Channel, after)
	fmt.Fprintf(w, "  bundle   sha256:%s\n", p.Bundle)
	fmt.Fprintf(w, "  expires  %s\n", p.Expires.Format(time.DateOnly))
	if p.MinimumProgram != "" {
		fmt.Fprintf(w, "  program  %s or newer\n", p.MinimumProgram)
	}
	fmt.Fprintf(w, "  success  %d audits and %s in shadow, no error, at most %d new pages\n", p.Success.MinAudits, text.Brief(time.Duration(p.Success.MinTime)), p.Success.MaxNewPages)
	for i, name := range p.StageNames() {
		state := "closed"
		if i < p.OpenStage {
			state = "open"
		}
		fmt.Fprintf(w, "  stage %d  %s: %s\n", i+1, text.Clean(name), state)
	}
	if p.Halted {
		fmt.Fprintf(w, "  halted   %s\n", text.Clean(p.Reason))
	}
}

func (r *releases) status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the releases, what waits for signatures, and what expires", Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			repository, err := r.open()
			if err != nil {
				return err
			}
			now := time.Now()
			s, err := repository.Status(now)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			for _, p := range s.Published {
				describe(out, p)
			}
			if len(s.Published) == 0 {
				fmt.Fprintln(out, "nothing is released yet")
			}
			if len(s.Waiting) > 0 {
				fmt.Fprintln(out, "waiting for signatures:")
				waiting(out, s.Waiting)
				for _, p := range s.Staged {
					describe(out, p)
				}
			}
			warn(cmd.ErrOrStderr(), s, now)
			return nil
		},
	}
}

func (r *releases) stage() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stage CHANNEL [N]",
		Short: "Open the next stage of a release, or N stages",
		Long: `Opens the next stage of the newest release of a channel, or as many as N says: 0 means none.
It waits for signatures then: a stage is open when enough people have signed. On hosts
where the release is active already it stays active.`,
		Args: cli.Takes("CHANNEL", "[N]"),
	}
	renew := cmd.Flags().Bool("renew", false, "only move the end of the release; no stage is opened")
	expires := expiresFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.amend(cmd, args[0], func(p *release.Plan) (err error) {
			p.Expires = time.Now().Add(time.Duration(*expires)).UTC().Truncate(time.Second)
			switch {
			case *renew:
			case len(args) == 2:
				if p.OpenStage, err = strconv.Atoi(args[1]); err != nil {
					return fmt.Errorf("%q is no number of stages; want 0 to %d", args[1], len(p.Stages))
				}
			case p.OpenStage == len(p.Stages):
				return fmt.Errorf("all stages of release %d are open; --renew moves its end", p.Version)
			default:
				p.OpenStage++
			}
			return nil
		})
	}
	return cmd
}

func (r *releases) halt() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "halt CHANNEL",
		Short: "Stop a release: no further host begins to use it",
		Long: `Stops the newest release of a channel: no further host begins to use it. Hosts that use it
go on; to take it away from them, release the older rules under a new version:
stackfleet release build. A halt waits for signatures, as every change does.`,
		Args: cli.Takes("CHANNEL"),
	}
	reason := cmd.Flags().String("reason", "", "a `TEXT` that says why, in one line; hosts show it")
	lift := cmd.Flags().Bool("lift", false, "let it go on")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *reason == "" && !*lift {
			return fmt.Errorf("say why with --reason TEXT: hosts show it")
		}
		return r.amend(cmd, args[0], func(p *release.Plan) error {
			p.Halted, p.Reason = !*lift, *reason
			return nil
		})
	}
	return cmd
}

func (r *releases) amend(cmd *cobra.Command, channel string, edit func(*release.Plan) error) error {
	repository, err := r.open()
	if err != nil {
		return err
	}
	p, err := repository.Amend(channel, time.Now(), edit)
	if err != nil {
		return err
	}
	describe(cmd.OutOrStdout(), p)
	return r.whoSigns(cmd, repository)
}

// whoSigns says who has to sign what waits.
func (r *releases) whoSigns(cmd *cobra.Command, repository release.Repository) error {
	s, err := repository.Status(time.Now())
	if err != nil {
		return err
	}
	waiting(cmd.OutOrStdout(), s.Waiting)
	fmt.Fprintln(cmd.OutOrStdout(), "sign it: stackfleet release sign --key FILE")
	warn(cmd.ErrOrStderr(), s, time.Now())
	return nil
}

func (r *releases) push() *cobra.Command {
	return &cobra.Command{
		Use:   "push REFERENCE",
		Short: "Put the published releases into an OCI registry",
		Long: `Puts the published releases into an OCI registry, such as registry.example.org/rules/home.
Hosts that have this reference as fleet.registry in config.yaml take them from there.
Credentials are those of podman login --authfile ~/.config/containers/auth.json. The
registry is not trusted: hosts verify the signatures.`,
		Args: cli.Takes("REFERENCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			repository, err := r.open()
			if err != nil {
				return err
			}
			registry, err := oci.Open(args[0], oci.AuthFiles()...)
			if err != nil {
				return err
			}
			return registry.Push(cmd.Context(), repository)
		},
	}
}

func (r *releases) discard() *cobra.Command {
	return &cobra.Command{
		Use: "discard", Short: "Throw away what waits for signatures", Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			repository, err := r.open()
			if err != nil {
				return err
			}
			s, unread := repository.Status(time.Now()) // what cannot be read is thrown away, too
			if err := repository.Discard(); err != nil {
				return err
			}
			if len(s.Waiting) == 0 && unread == nil {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing waited for signatures")
				return nil
			}
			fmt.Fprintln(cmd.OutOrStdout(), "thrown away:")
			waiting(cmd.OutOrStdout(), s.Waiting)
			return nil
		},
	}
}

// stagesOf reads stages such as role=canary, 10%, "role=db 50%" and all.
func stagesOf(texts []string) (stages []release.Stage, err error) {
	for _, words := range texts {
		s := release.Stage{}
		for word := range strings.FieldsSeq(words) {
			key, value, isLabel := strings.Cut(word, "=")
			switch {
			case isLabel && s.Select == nil:
				s.Select = map[string]string{key: value}
			case isLabel:
				s.Select[key] = value
			case strings.HasSuffix(word, "%") && s.Limit == "":
				s.Limit = word
			case word != "all":
				return nil, fmt.Errorf("--stage %q: %q is neither a label such as role=canary, a share such as 10%% nor all", words, word)
			}
		}
		stages = append(stages, s)
	}
	return stages, nil
}
