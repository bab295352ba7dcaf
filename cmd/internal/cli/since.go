package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/internal/text"
)

// Ago is the value of a flag for a span of time: a Go duration, or days as in 7d.
type Ago time.Duration

// SinceFlag adds --since to a command.
func SinceFlag(cmd *cobra.Command, usual string) *Ago {
	return SpanFlag(cmd, "since", usual, "how far back, such as 90m, 24h or 7d")
}

// SpanFlag adds a flag for a span of time to a command.
func SpanFlag(cmd *cobra.Command, name, usual, usage string) *Ago {
	a := new(Ago)
	_ = a.Set(usual)
	cmd.Flags().Var(a, name, usage)
	return a
}

const day = Ago(24 * time.Hour)

// String writes whole days as days and the rest as a Go duration.
func (a *Ago) String() string {
	if *a == 0 {
		return "" // a flag that was not given
	}
	if *a > day && *a%day == 0 {
		return fmt.Sprintf("%dd", *a/day)
	}
	return text.Brief(time.Duration(*a))
}

// Type returns the name of the value in help.
func (a *Ago) Type() string { return "duration" }

// Set reads a duration, which must be positive.
func (a *Ago) Set(s string) error {
	d, err := text.ParseSpan(s)
	*a = Ago(d)
	return err
}
