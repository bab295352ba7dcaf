package finding_test

import (
	"testing"

	. "stackpolicy/finding"
)

// 2 outranks 3, 3 outranks 1: the statuses are in another order than the levels.
func TestLevels(t *testing.T) {
	cases := []struct {
		level Level
		code  int
		word  string
	}{
		{LevelOK, 0, "OK"},
		{LevelWarning, 1, "WARNING"},
		{LevelUnknown, 3, "UNKNOWN"},
		{LevelCritical, 2, "CRITICAL"},
	}
	for i, c := range cases {
		t.Run(c.word, func(t *testing.T) {
			if got := c.level.ExitCode(); got != c.code {
				t.Errorf("exit status: got %d, want %d", got, c.code)
			}
			if got := LevelOfExit(c.code); got != c.level {
				t.Errorf("level of status %d: got %s, want %s", c.code, got, c.level)
			}
			if got := c.level.String(); got != c.word {
				t.Errorf("word: got %s, want %s", got, c.word)
			}
			for _, better := range cases[:i] {
				if Worst(c.level, better.level) != c.level || Worst(better.level, c.level) != c.level {
					t.Errorf("%s does not outrank %s", c.word, better.word)
				}
			}
		})
	}
}

func TestWorstOfNothing(t *testing.T) {
	if got := Worst(); got != LevelOK {
		t.Errorf("got %s, want OK", got)
	}
}

// A status or a level from elsewhere is never a pass.
func TestStrangeLevels(t *testing.T) {
	for _, status := range []int{-1, 4, 127, 255} {
		if got := LevelOfExit(status); got != LevelUnknown {
			t.Errorf("status %d: got %s, want UNKNOWN", status, got)
		}
	}
	if got := Level(17); got.ExitCode() != 3 || got.String() != "UNKNOWN" {
		t.Errorf("level 17: got %s with status %d, want UNKNOWN with 3", got, got.ExitCode())
	}
}
