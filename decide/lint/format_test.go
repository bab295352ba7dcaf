package lint

import (
	"strings"
	"testing"
	"testing/fstest"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/decide/policy"
)

func TestFormatted(t *testing.T) {
	fsys := fixture.Folder(map[string]string{"lib/a_test.rego": "package a_test\n\n\n\ntest_a  if true\n"})
	changed, err := Formatted(policy.OpenWithTests(fsys, ""))
	if err != nil || len(changed) != 1 || changed[0].Name != "lib/a_test.rego" || string(changed[0].Text) != "package a_test\n\ntest_a := true\n" {
		t.Errorf("got %v, %v", changed, err)
	}
	fsys["lib/b.rego"] = &fstest.MapFile{Data: []byte("package {")}
	if _, err := Formatted(policy.OpenWithTests(fsys, "")); err == nil || !strings.HasPrefix(err.Error(), "lib/b.rego:1: ") {
		t.Errorf("got %v; want the syntax error", err)
	}
}
