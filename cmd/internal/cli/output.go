package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"stackpolicy/internal/output"
)

// Output is the flag -o of a command: the format in which the command writes a T.
type Output[T any] struct {
	formats []output.Format[T]
	chosen  output.Format[T]
}

// OutputFlag adds -o to a command, with the first format as its default.
func OutputFlag[T any](cmd *cobra.Command, formats []output.Format[T]) *Output[T] {
	o := &Output[T]{formats: formats, chosen: formats[0]}
	names := output.Names(formats)
	cmd.Flags().VarP(o, "output", "o", "output format: "+strings.Join(names, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	return o
}

// Write writes value in the chosen format. Only a text depends on the locale.
func (o *Output[T]) Write(w io.Writer, value T) error {
	if o.chosen.Name != "text" {
		w = Raw(w)
	}
	return o.chosen.Write(w, value)
}

// String returns the name of the chosen format.
func (o *Output[T]) String() string { return o.chosen.Name }

// Type returns the name of the value in help.
func (o *Output[T]) Type() string { return "format" }

// Set chooses a format by its name.
func (o *Output[T]) Set(name string) (err error) {
	f, err := output.Named(o.formats, name)
	if err == nil {
		o.chosen = f
	}
	return err
}
