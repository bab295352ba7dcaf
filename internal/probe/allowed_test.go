package probe

import (
	"syscall"
	"testing"
)

// A process without restrictions may open both; lab/proof has one with them.
func TestAllowed(t *testing.T) {
	if err := Allowed(syscall.AF_INET, syscall.AF_INET6); err != nil {
		t.Error(err)
	}
	const none = 46 // AF_MAX of Linux: no family has it
	if err := Allowed(none); err != ErrNotAllowed {
		t.Errorf("a family that does not exist: %v", err)
	}
}
