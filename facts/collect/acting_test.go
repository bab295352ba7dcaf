package collect

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/internal/unitfile"
)

// TestReloadActs lists the files of units that are not managed by which a reload would act,
// if they changed since the last load.
func TestReloadActs(t *testing.T) {
	const upholds, bound = "[Unit]\nUpholds=evil.service\n", "[Unit]\nBindsTo=gone.service\n"
	s := newManagerScene(t, map[string]string{
		".config/systemd/user/default.target.d/evil.conf":      upholds,
		".config/systemd/user/target.d/evil.conf":              bound,
		".config/systemd/user/other.service":                   "[Unit]\nStopWhenUnneeded=yes\n",
		".config/systemd/user/large.service":                   strings.Repeat("x", 9<<20),
		".config/systemd/user/basic.target.upholds/x.service":  "-> ../x.service",
		".config/systemd/user/basic.target.upholds/no.service": "-> /dev/null",
		".config/systemd/user/default.target.wants/a.service":  "-> ../a.service",
		".config/systemd/user/plain.service":                   "[Unit]\nWants=evil.service\n",
		".config/systemd/user/web.service.d/evil.conf":         upholds, // managed: listed with its unit
		"run/systemd/transient/made.service":                   upholds, // in force already
		"run/systemd/transient/made.service.d/evil.conf":       upholds,
		"run/systemd/generator/pod.service":                    bound, // written again at the reload
	})
	s.env.RuntimeDir = filepath.Join(s.env.Home, "run")
	listed := func() []string {
		path := []string{s.env.UnitDir(), filepath.Join(s.env.RuntimeDir, "systemd/transient"), filepath.Join(s.env.RuntimeDir, "systemd/generator")}
		index, err := unitfile.ReadIndex(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		all, err := managerFiles(t.Context(), s.env, s.judge, s.manager, loadedUnits{index: index, managed: map[string]string{"web.service": "home-manager"}})
		if err != nil {
			t.Fatal(err)
		}
		list := []string{}
		for _, f := range all.Files {
			if f.Role == "acting" && f.Effective {
				path, _ := filepath.Rel(s.env.Home, f.Path)
				list = append(list, path+" "+f.Origin)
			}
		}
		slices.Sort(list)
		return list
	}
	if got := listed(); len(got) > 0 {
		t.Errorf("nothing changed since the load, and these are listed: %q", got)
	}
	s.manager.LoadedAt = time.Now().Add(-time.Hour)
	want := []string{
		".config/systemd/user/basic.target.upholds/x.service own",
		".config/systemd/user/default.target.d/evil.conf own",
		".config/systemd/user/large.service own",
		".config/systemd/user/other.service own",
		".config/systemd/user/target.d/evil.conf own",
		"run/systemd/transient/made.service.d/evil.conf own",
	}
	if d := cmp.Diff(want, listed()); d != "" {
		t.Error(d)
	}
	s.manager.NoUphold = true
	if d := cmp.Diff(want[1:], listed()); d != "" {
		t.Errorf("systemd before 253 has no .upholds folders: %s", d)
	}
}
