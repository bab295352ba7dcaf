package stack

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/applied"
	"stackpolicy/config"
)

func TestFindRemoved(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(applied.Folder(home), 0o700); err != nil {
		t.Fatal(err)
	}
	record := applied.Record{
		Schema: applied.Schema, Stack: "web", Unit: "web.service", Project: "site", AppliedAt: time.Unix(1, 0),
		Files: []applied.File{
			{Path: "/a/web.service", Role: applied.RoleUnit}, {Path: "/a/compose.yaml", Role: applied.RoleCompose},
			{Path: "/a/web.env", Role: applied.RoleEnv}, {Path: "/a/base.yaml", Role: applied.RoleNamed},
		},
	}
	if err := applied.Write(home, record); err != nil {
		t.Fatal(err)
	}
	was := Stack{"web", config.Stack{
		Unit: "web.service", Project: "site", Compose: []string{"/a/compose.yaml"}, EnvFiles: []config.File{{Path: "/a/web.env"}},
	}}
	of := func(name, unit, project string) map[string]config.Stack {
		return map[string]config.Stack{name: {Unit: unit, Project: project}}
	}
	for name, c := range map[string]struct {
		stacks map[string]config.Stack
		ask    string
		want   Stack
		err    string
	}{
		"in the configuration":  {of("web", "web.service", "new"), "web", Stack{"web", config.Stack{Unit: "web.service", Project: "new"}}, ""},
		"removed":               {of("shop", "shop.service", "shop"), "web", was, ""},
		"the last":              {nil, "web", was, ""},
		"renamed":               {of("site", "site.service", "site"), "web", Stack{}, `what it was is stack "site" now`},
		"its unit is another's": {of("site", "web.service", "other"), "web", Stack{}, `what it was is stack "site" now`},
		"never applied":         {nil, "shop", Stack{}, `no stack "shop"`},
		"a path":                {nil, "../applied/web", Stack{}, `no stack "../applied/web"`},
	} {
		got, err := FindRemoved(config.Config{Stacks: c.stacks}, home, c.ask)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", name, err, c.err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}
