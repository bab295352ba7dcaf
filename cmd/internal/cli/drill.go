package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stackpolicy/internal/text"
)

// DrillFlags are the flags of `stackpolicy drill`, which hands them to the program stackdrill.
type DrillFlags struct {
	Policy string   // folder of policies; "": that of the configuration, or the built-in ones
	Only   []string // names of drills; empty: all
	List   bool
	Output string // text or json
}

// AboutDrill is the help of both commands.
const AboutDrill = `Breaks things in a throwaway user manager, in each way that it knows, and shows what an
audit with your own rules and settings makes of it: what it finds, what it misses, whom it
falsely accuses, what it heals. It ends with what no rule covers.

The sandbox has sample stacks with stand-ins for podman, and none of your units. It needs no
root. Your own units, files and cgroups are compared before and after.

Exit status:
  0  everything is as it should be with these rules
  1  something was missed, falsely accused or not healed
  2  an audit made something worse, or something outside of the sandbox changed
  3  no drill was possible: what is missing, and what to do`

// Add adds the flags to a command.
func (f *DrillFlags) Add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Policy, "policy", "", "folder of policies: with main.rego instead of the built-in ones, otherwise over them")
	_ = cmd.MarkFlagDirname("policy")
	cmd.Flags().StringSliceVar(&f.Only, "only", nil, "drill only these, separated by commas")
	cmd.Flags().BoolVar(&f.List, "list", false, "list the drills and what they do, and drill nothing")
	f.Output = "text"
	cmd.Flags().VarP((*drillOutput)(&f.Output), "output", "o", "output format: text, json")
	for flag, values := range map[string][]string{"output": drillOutputs, "only": nil} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

// Args returns the flags as arguments.
func (f *DrillFlags) Args() []string {
	args := []string{"--output=" + f.Output}
	if f.Policy != "" {
		args = append(args, "--policy="+f.Policy)
	}
	for _, name := range f.Only {
		args = append(args, "--only="+name)
	}
	if f.List {
		args = append(args, "--list")
	}
	return args
}

var drillOutputs = []string{"text", "json"}

type drillOutput string

var _ pflag.Value = (*drillOutput)(nil)

func (o *drillOutput) String() string { return string(*o) }
func (o *drillOutput) Type() string   { return "format" }
func (o *drillOutput) Set(name string) error {
	if !slices.Contains(drillOutputs, name) {
		return fmt.Errorf("unknown output format %q; %s", name, text.Known(name, drillOutputs))
	}
	*o = drillOutput(name)
	return nil
}
