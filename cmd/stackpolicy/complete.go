package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/finding"
	"stackpolicy/internal/text"
)

// completeUnits offers the subjects of an audit that are not yet on the command line.
func (s *factSource) completeUnits(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	if s.factsFile == "-" { // during completion, standard input has no document
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	c, err := cli.ReadConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	doc, err := s.snapshot(ctx, nil, c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	offered := []string{finding.Host}
	for _, u := range doc.Units {
		if u.IsManaged() && text.Clean(u.Name) == u.Name {
			offered = append(offered, u.Name)
		}
	}
	offered = slices.DeleteFunc(offered, func(n string) bool {
		return slices.Contains(given, n) || !strings.HasPrefix(n, begun)
	})
	return offered, cobra.ShellCompDirectiveNoFileComp
}

// completeInvariants offers the ids of the policies that are in use.
func (s *policySource) completeInvariants(cmd *cobra.Command, begun string) ([]string, cobra.ShellCompDirective) {
	c, err := cli.ReadConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	p, err := s.loadPolicies(cmd.Context(), c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var offered []string
	for _, i := range p.Invariants() {
		if strings.HasPrefix(i.ID, begun) {
			offered = append(offered, i.ID+"\t"+i.Title)
		}
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}
