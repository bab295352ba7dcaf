package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPathsOfAgenix: files may be named as agenix's Home Manager module names them.
func TestPathsOfAgenix(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	c, err := parse([]byte(`
stacks:
  web:
    env_files: ["${XDG_RUNTIME_DIR}/agenix/web.env"]
    secrets: [{path: "${XDG_RUNTIME_DIR}/agenix/token", mode: "0400"}]
`))
	if err != nil {
		t.Fatal(err)
	}
	web := c.Stacks["web"]
	if diff := cmp.Diff([]File{{Path: "/run/user/7/agenix/web.env"}}, web.EnvFiles); diff != "" {
		t.Errorf("env files (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]File{{Path: "/run/user/7/agenix/token", Mode: 0o400}}, web.Secrets); diff != "" {
		t.Errorf("secrets (-want +got)\n%s", diff)
	}
	if _, err := parse([]byte(`stacks: {web: {secrets: ["${HOME}/token"]}}`)); err == nil {
		t.Error("another variable was taken")
	}
}
