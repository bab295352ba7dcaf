package main

import "testing"

func TestRunRefusesBadArguments(t *testing.T) {
	for _, args := range [][]string{nil, {"trixie"}, {"--help", "x"}, {"trixie", "a", "b"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}
