package main

import (
	"os"
	"testing"
)

// TestStacks checks that there are at least fifty stacks, and that what is left out exists.
func TestStacks(t *testing.T) {
	t.Chdir("../../../..")
	stacks, err := read(nil)
	if err != nil || len(stacks) < 50 {
		t.Errorf("%d stacks: %v", len(stacks), err)
	}
	for name := range notHere {
		if _, err := os.Stat(corpus + "/" + name + ".txtar"); err != nil {
			t.Error(err)
		}
	}
	if one, err := read([]string{"ports"}); err != nil || len(one) != 1 || one[0].name != "ports" {
		t.Errorf("%v, %v", one, err)
	}
}
