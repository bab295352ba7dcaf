package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// ago is a flag that says how far back: a Go duration, or days as in 7d.
type ago time.Duration

func sinceFlag(cmd *cobra.Command, usual string) *ago {
	a := new(ago)
	_ = a.Set(usual)
	cmd.Flags().Var(a, "since", "how far back, such as 90m, 24h or 7d")
	return a
}

const day = ago(24 * time.Hour)

// String writes whole days as days and the rest as a Go duration.
func (a *ago) String() string {
	if *a > day && *a%day == 0 {
		return fmt.Sprintf("%dd", *a/day)
	}
	text := time.Duration(*a).String()
	if cut, ok := strings.CutSuffix(text, "m0s"); ok {
		text = cut + "m"
	}
	if cut, ok := strings.CutSuffix(text, "h0m"); ok {
		text = cut + "h"
	}
	return text
}

// Type returns the word that stands for the value in help.
func (a *ago) Type() string { return "duration" }

// Set reads a duration that is longer than nothing.
func (a *ago) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		d, err = readDays(days)
	}
	if err != nil || d <= 0 {
		return errors.New("want a time such as 90m, 24h or 7d")
	}
	*a = ago(d)
	return nil
}

const mostDays = 100_000 // a duration ends at 106,751 days

func readDays(text string) (time.Duration, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err == nil && !(n <= mostDays) { // not a number is not smaller either
		err = strconv.ErrRange
	}
	return time.Duration(n * float64(day)), err
}
