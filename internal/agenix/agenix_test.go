package agenix_test

import (
	"fmt"
	"os"
	"testing"

	"stackpolicy/internal/agenix"
)

func TestPath(t *testing.T) {
	cases := []struct{ name, runtimeDir, path, want string }{
		{"agenix's", "/run/user/7", "${XDG_RUNTIME_DIR}/agenix/token", "/run/user/7/agenix/token"},
		{"outside of a session", "", "${XDG_RUNTIME_DIR}/agenix/token", fmt.Sprintf("/run/user/%d/agenix/token", os.Getuid())},
		{"absolute", "/run/user/7", "/run/secrets/token", "/run/secrets/token"},
		{"another variable", "/run/user/7", "${HOME}/token", "${HOME}/token"},
		{"in the middle", "/run/user/7", "/a/${XDG_RUNTIME_DIR}/b", "/a/${XDG_RUNTIME_DIR}/b"},
		{"of another word", "/run/user/7", "${XDG_RUNTIME_DIR}x/b", "${XDG_RUNTIME_DIR}x/b"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("XDG_RUNTIME_DIR", c.runtimeDir)
			if got := agenix.Path(c.path); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
