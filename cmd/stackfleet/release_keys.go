package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet/release"
	"stackpolicy/internal/regularfile"
)

// passphrase says where a passphrase comes from: a file, or the terminal.
type passphrase struct{ file string }

func (p *passphrase) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.file, "passphrase-file", "", "`FILE` whose first line is the passphrase, instead of the terminal")
	_ = cmd.MarkFlagFilename("passphrase-file")
}

const maxPassphrase = 4096

// read asks for the passphrase. With again it asks twice, for a new key.
func (p *passphrase) read(cmd *cobra.Command, again bool) ([]byte, error) {
	if p.file != "" {
		content, err := regularfile.Read(p.file, maxPassphrase)
		if err != nil {
			return nil, fmt.Errorf("read the passphrase: %w", err)
		}
		line, _, _ := bytes.Cut(content, []byte("\n"))
		return line, nil
	}
	in, isFile := cmd.InOrStdin().(*os.File)
	if !isFile || !term.IsTerminal(int(in.Fd())) {
		return nil, errors.New("there is no terminal to ask for the passphrase; give --passphrase-file FILE")
	}
	words, err := ask(cmd, in, "passphrase: ")
	if err != nil || !again {
		return words, err
	}
	second, err := ask(cmd, in, "the same again: ")
	if err == nil && !bytes.Equal(words, second) {
		err = errors.New("the two passphrases differ")
	}
	return words, err
}

func ask(cmd *cobra.Command, in *os.File, prompt string) ([]byte, error) {
	fmt.Fprint(cmd.ErrOrStderr(), prompt)
	words, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	if err != nil {
		return nil, fmt.Errorf("ask for the passphrase: %w", err)
	}
	return words, nil
}

func (r *releases) key() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key NAME",
		Short: "Make a key of a person who signs releases",
		Long: `Makes NAME.key, encrypted with a passphrase, and NAME.pub, which the others need. Keep the
key on a machine of the person, and a copy elsewhere: with too few keys left, nobody can
release anything to the hosts as they are.`,
		Args: cli.Takes("NAME"),
	}
	var words passphrase
	words.flag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, err := release.NewKey(args[0])
		if err != nil {
			return err
		}
		secret, err := words.read(cmd, true)
		if err != nil {
			return err
		}
		if err := k.Write(k.Name+".key", secret); err != nil {
			return err
		}
		if err := k.PublicKey.Write(k.Name + ".pub"); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s.key is the key, and %s.pub is for the others\n", k.Name, k.Name)
		return nil
	}
	return cmd
}

// people are flags that say who may sign.
type people struct {
	files     []string
	threshold int
}

func (p *people) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&p.files, "key", nil, "`FILE` of the public key of a person who may sign; once for each")
	cmd.Flags().IntVar(&p.threshold, "threshold", 2, "how many of them must sign")
	_ = cmd.MarkFlagRequired("key")
	_ = cmd.MarkFlagFilename("key")
}

func (p *people) read() (keys []release.PublicKey, err error) {
	for _, file := range p.files {
		k, err := release.ReadPublicKey(file)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func (r *releases) init() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init --key FILE…",
		Short: "Begin: who may sign releases, and how many must",
		Long: `Makes the root: it says who may sign releases, and how many of them must. It waits for
their signatures. Hosts get it when they are enrolled; all that they trust comes from it.`,
		Args: cli.Takes(),
	}
	var who people
	who.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		keys, err := who.read()
		if err != nil {
			return err
		}
		repository, err := r.open()
		if err != nil {
			return err
		}
		if err := repository.Init(keys, who.threshold, time.Now()); err != nil {
			return err
		}
		return r.whoSigns(cmd, repository)
	}
	return cmd
}

func (r *releases) keys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys --key FILE…",
		Short: "Change who may sign, or renew the root for a year",
		Long: `Makes the next root, with all people that may sign from then on; with the same people it
is only renewed. It waits for the signatures of those who may sign now and of those who
may sign then. Hosts follow by themselves.`,
		Args: cli.Takes(),
	}
	var who people
	who.flags(cmd)
	online := cmd.Flags().Bool("new-online", false, "make another key of the hub, too: the old one was lost or seen by somebody")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		keys, err := who.read()
		if err != nil {
			return err
		}
		repository, err := r.open()
		if err != nil {
			return err
		}
		if err := repository.ChangeKeys(keys, who.threshold, *online, time.Now()); err != nil {
			return err
		}
		return r.whoSigns(cmd, repository)
	}
	return cmd
}
