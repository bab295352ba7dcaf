package lint

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/decide/policy"
)

func TestUnformatted(t *testing.T) {
	fsys := fixture.Folder(map[string]string{"lib/a_test.rego": "package a_test\n\n\n\ntest_a  if true\n"})
	changed, err := Unformatted(policy.OpenWithTests(fsys, ""))
	if err != nil || !slices.Equal(changed, []string{"lib/a_test.rego"}) {
		t.Errorf("got %v, %v", changed, err)
	}
	fsys["lib/b.rego"] = &fstest.MapFile{Data: []byte("package {")}
	if _, err := Unformatted(policy.OpenWithTests(fsys, "")); err == nil || !strings.HasPrefix(err.Error(), "lib/b.rego:1: ") {
		t.Errorf("got %v; want the syntax error", err)
	}
}
