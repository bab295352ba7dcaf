package collect

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/applied"
	"stackpolicy/facts"
)

func TestDefinition(t *testing.T) {
	file := func(role, path string) facts.File {
		return facts.File{Path: path, Role: role, State: facts.StateDeclared, Effective: true, Digest: sum(path)}
	}
	generated := file(facts.RoleFragment, "/run/web.service")
	generated.State = facts.StateGenerated
	hidden := file(facts.RoleDropIn, "/u/hidden.conf")
	hidden.Effective = false
	u := facts.Unit{Files: []facts.File{
		generated, file(facts.RoleSource, "/q/web.container"), file(facts.RoleSourceDropIn, "/q/a.conf"),
		file(facts.RoleDropIn, "/u/a.conf"), hidden, file("wants", "/u/default.target.wants/web.service"),
	}}
	want := []applied.File{}
	for _, path := range []string{"/q/web.container", "/q/a.conf", "/u/a.conf"} {
		want = append(want, applied.File{Path: path, Role: "unit", Digest: sum(path)})
	}
	if d := cmp.Diff(want, Definition(u)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got := Definition(facts.Unit{}); got == nil || len(got) != 0 {
		t.Errorf("without files: %v", got)
	}
}
