package collect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/homemanager"
	"stackpolicy/internal/podman"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

var alice = Environment{
	UID: 1000, Name: "alice", Home: "/home/alice", ConfigHome: "/home/alice/.config", DataHome: "/home/alice/.local/share", RuntimeDir: "/run/user/1000",
}

func TestActivationState(t *testing.T) {
	now := time.Now()
	service := func(state string) *facts.ActivationService { return &facts.ActivationService{ActiveState: state} }
	for name, tc := range map[string]struct {
		begun   time.Time
		ahead   int
		service *facts.ActivationService
		want    string
	}{
		"nothing odd":                   {time.Time{}, 0, nil, "current"},
		"the service is done":           {time.Time{}, 0, service("active"), "current"},
		"the service came to its end":   {time.Time{}, 0, service("inactive"), "current"},
		"the service runs":              {now, 1, service("activating"), "running"},
		"the service failed":            {time.Time{}, 0, service("failed"), "failed"},
		"the service failed half-way":   {now, 3, service("failed"), "failed"},
		"new-home, the service is done": {now, 0, service("inactive"), "half-finished"},
		"new-home a minute ago":         {now.Add(-time.Minute), 2, nil, "running"},
		"new-home at the limit":         {now.Add(-activationLimit), 0, nil, "half-finished"},
		"new-home long ago":             {now.Add(-time.Hour), 0, nil, "half-finished"},
		"links ahead":                   {time.Time{}, 1, nil, "half-finished"},
		"links ahead, service is done":  {time.Time{}, 1, service("active"), "half-finished"},
	} {
		if got := activationState(tc.begun, tc.ahead, now, tc.service); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestIsOneOff(t *testing.T) {
	of := func(name string, labels ...string) facts.Container {
		return containerFrom(podman.Container{Name: name, Labels: map[string]string{
			podman.LabelProject: "web", podman.LabelService: "app", podman.LabelOneOff: strings.Join(labels, ""),
		}}, nil, noon)
	}
	for name, c := range map[string]struct {
		of   facts.Container
		want bool
	}{
		"podman-compose run":           {of("web_app_tmp4711"), true},
		"docker-compose run":           {of("web-app-run-0a1b2c3d4e5f", "True"), true},
		"the service's own":            {of("web_app_1"), false},
		"as docker-compose names it":   {of("web-app-1", "False"), false},
		"another service's name":       {of("web_db_tmp4711"), false},
		"a name that only begins so":   {of("web_app_tmp4711b"), false},
		"a name without a number":      {of("web_app_tmp"), false},
		"of no project and no service": {containerFrom(podman.Container{Name: "__tmp1"}, nil, noon), false},
	} {
		if c.of.OneOff != c.want {
			t.Errorf("%s: one-off %t", name, c.of.OneOff)
		}
	}
}

func TestIsBefore(t *testing.T) {
	for version, want := range map[string]bool{
		"252.39-1~deb12u1": true, "252": true, "99": true, "253": false, "253.1": false, "257.13-1~deb13u1": false, "v252": false, "": false, "unstable": false,
	} {
		if got := isBefore(version, 253); got != want {
			t.Errorf("isBefore(%q, 253) = %t", version, got)
		}
	}
}

func TestQuadletUnit(t *testing.T) {
	for path, want := range map[string]string{
		"/q/web.container": "web.service", "/q/web.kube": "web.service", "/q/data.volume": "data-volume.service",
		"/q/net.network": "net-network.service", "/q/p.pod": "p-pod.service", "/q/i.image": "i-image.service", "/q/b.build": "b-build.service",
		"/q/web@.container": "web@.service", "/q/web@one.container": "web@one.service", "/q/a.b.container": "a.b.service",
		"/q/data@.volume":      "data@-volume.service",
		"/q/sub/web.container": "web.service", "/q/web.container.d/10.conf": "", "/q/web.service": "", "/q/.container": "", "/q/container": "", "": "",
	} {
		if got := quadletUnit(path); got != want {
			t.Errorf("quadletUnit(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestManagedUnits(t *testing.T) {
	d := declaration{files: map[string]string{
		"/home/alice/.config/systemd/user/web.service":                    "/s/web.service",
		"/home/alice/.config/systemd/user/both.service":                   "/s/both.service",
		"/home/alice/.local/share/systemd/user/pkg.service":               "/s/pkg.service",
		"/home/alice/.config/systemd/user/work@.service":                  "/s/work@.service",
		"/home/alice/.config/systemd/user/web.service.d/a.conf":           "/s/a.conf",
		"/home/alice/.config/systemd/user/default.target.wants/x.service": "/s/x.service",
		"/home/alice/.config/systemd/user/README":                         "/s/README",
		"/home/alice/.config/containers/systemd/quad.container":           "/s/quad.container",
		"/home/alice/.config/containers/systemd/sub/vol.volume":           "/s/vol.volume",
	}}
	d.quadlets = quadletsOf(t, alice.QuadletDir(), d.files, config.Config{})
	env := alice
	env.Config = config.Config{
		Units:  []string{"lab-*.service", "both.service", "none-*.service", "absent.service", "work@two.service"},
		Stacks: map[string]config.Stack{"stack": {Unit: "stack.service"}},
	}
	managed, patterns := managedUnits(env, d, []string{"lab-a.service", "lab-b.service", "both.service", "work@one.service", "work@two.service", "other.service", "lab-z.service"}, func(name string) bool { return name == "lab-z.service" || name == "both.service" })
	want := map[string]string{
		"web.service": facts.ByHomeManager, "pkg.service": facts.ByHomeManager, "both.service": facts.ByHomeManager, "work@.service": facts.ByHomeManager, "work@one.service": facts.ByHomeManager,
		"quad.service": facts.ByHomeManager, "vol-volume.service": facts.ByHomeManager, "lab-a.service": facts.ByConfig, "lab-b.service": facts.ByConfig,
		"absent.service": facts.ByConfig, "stack.service": facts.ByConfig, "work@two.service": facts.ByConfig,
	}
	for name, by := range want {
		if managed[name] != by {
			t.Errorf("%s is managed by %q, want %q", name, managed[name], by)
		}
	}
	for name := range managed {
		if want[name] == "" {
			t.Errorf("%s is managed by %q", name, managed[name])
		}
	}
	wantPatterns := []facts.Pattern{{Pattern: "lab-*.service", Matched: 2}, {Pattern: "both.service", Matched: 1}, {Pattern: "none-*.service", Matched: 0}, {Pattern: "absent.service", Matched: 1}, {Pattern: "work@two.service", Matched: 1}}
	if !slices.Equal(patterns, wantPatterns) {
		t.Errorf("patterns %v, want %v", patterns, wantPatterns)
	}
}

func TestOrigin(t *testing.T) {
	for path, want := range map[string]string{
		"": "",
		"/home/alice/.config/systemd/user/web.service":              facts.OriginUser,
		"/home/alice/.config/systemd/user/web.service.d/a.conf":     facts.OriginUser,
		"/home/alice/.config/containers/systemd/web.container":      facts.OriginUser,
		"/home/alice/.config/systemd/user.control/web.service":      facts.OriginControl,
		"/run/user/1000/systemd/user.control/web.service.d/50.conf": facts.OriginControl,
		"/run/user/1000/systemd/transient/run-1.service":            facts.OriginRuntime,
		"/run/user/1000/systemd/user/web.service":                   facts.OriginRuntime,
		"/run/user/1000/systemd/generator/web.service":              facts.OriginGenerator,
		"/run/user/1000/systemd/generator.early/web.service":        facts.OriginGenerator,
		"/run/user/1000/systemd/generator.late/web.service":         facts.OriginGenerator,
		"/run/systemd/user/web.service":                             facts.OriginRuntime,
		"/etc/systemd/user/web.service":                             facts.OriginEtc,
		"/etc/xdg/systemd/user/web.service":                         facts.OriginEtc,
		"/usr/lib/systemd/user/web.service":                         facts.OriginDistribution,
		"/lib/systemd/user/web.service":                             facts.OriginDistribution,
		"/home/alice/.local/share/systemd/user/web.service":         facts.OriginOther,
		"/home/alice/.config/systemd/user2/web.service":             facts.OriginOther,
		"/run/user/10001/systemd/user/web.service":                  facts.OriginOther,
		"/etcetera/web.service":                                     facts.OriginOther,
	} {
		if got := alice.origin(path); got != want {
			t.Errorf("origin(%q) = %q, want %q", path, got, want)
		}
	}
}

// TestOriginOfPackages: the unit of a package is the user's where the generation declares it.
func TestOriginOfPackages(t *testing.T) {
	const folder = "/home/alice/.local/share/systemd/user/"
	d := declaration{files: map[string]string{folder + "pkg.service": "/s/pkg.service"}}
	for name, want := range map[string]string{"pkg.service": facts.OriginUser, "mine.service": facts.OriginOther} {
		if got := d.origin(alice, folder+name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	p := places{unitDir: alice.UnitDir(), dataDir: alice.DataUnitDir(), declared: d.files}
	for name, want := range map[string]string{"pkg.service": folder + "pkg.service", "web.service": alice.UnitDir() + "/web.service"} {
		if got := p.expected(name); got != want {
			t.Errorf("%s belongs at %q, want %q", name, got, want)
		}
	}
}

func judgeOf(d declaration) *judge { return &judge{fileOwner: fileOwner{alice.UID, 1000}, declared: d} }

func TestStateAgainstTheGeneration(t *testing.T) {
	const target = "/nix/store/b-home-manager-files/web.service"
	d := declaration{generation: &homemanager.Generation{Store: "/nix/store", Files: "/nix/store/b-home-manager-files"}}
	for name, tc := range map[string]struct {
		file unitfile.File
		want string
	}{
		"gone":                                 {unitfile.File{Kind: unitfile.Missing}, facts.StateMissing},
		"declared":                             {unitfile.File{Kind: unitfile.Symlink, FirstHop: target, Target: "/nix/store/u", Digest: "d"}, facts.StateDeclared},
		"out of the store":                     {unitfile.File{Kind: unitfile.Symlink, FirstHop: target, Target: "/nowhere/web", Digest: "d", UID: alice.UID, GID: 1000, Mode: 0o664}, facts.StateDeclared},
		"out of the store, writable by all":    {unitfile.File{Kind: unitfile.Symlink, FirstHop: target, Target: "/nowhere/web", Digest: "d", UID: alice.UID, GID: 1000, Mode: 0o666}, facts.StateUnsafe},
		"out of the store, somebody else's":    {unitfile.File{Kind: unitfile.Symlink, FirstHop: target, Target: "/nowhere/web", Digest: "d", UID: 1001, Mode: 0o644}, facts.StateUnsafe},
		"out of the store, in a folder of all": {unitfile.File{Kind: unitfile.Symlink, FirstHop: target, Target: "/tmp/web", Digest: "d", UID: alice.UID, GID: 1000, Mode: 0o644}, facts.StateUnsafe},
		"target collected":                     {unitfile.File{Kind: unitfile.Symlink, FirstHop: target}, facts.StateDangling},
		"mask":                                 {unitfile.File{Kind: unitfile.Symlink, FirstHop: "/dev/null", Target: "/dev/null"}, facts.StateMask},
		"declared as a mask":                   {unitfile.File{Kind: unitfile.Symlink, FirstHop: target, Target: "/dev/null"}, facts.StateDeclared},
		"folder":                               {unitfile.File{Kind: unitfile.Directory, Target: "/x", Directory: true}, facts.StateDirectory},
		"link to a folder":                     {unitfile.File{Kind: unitfile.Symlink, FirstHop: "/x", Target: "/x", Directory: true}, facts.StateDirectory},
		"other generation":                     {unitfile.File{Kind: unitfile.Symlink, FirstHop: "/nix/store/a-home-manager-files/web.service", Target: "/nix/store/u", Digest: "d"}, facts.StateOther},
		"other generation, dangling":           {unitfile.File{Kind: unitfile.Symlink, FirstHop: "/nix/store/a-home-manager-files/web.service"}, facts.StateDangling},
		"foreign link":                         {unitfile.File{Kind: unitfile.Symlink, FirstHop: "/nix/store/u", Target: "/nix/store/u", Digest: "d"}, facts.StateForeign},
		"unreadable":                           {unitfile.File{Kind: unitfile.Regular, Target: "/x"}, facts.StateUnreadable},
	} {
		got, err := judgeOf(d).state(facts.Unit{}, tc.file, facts.File{Role: facts.RoleFragment, DeclaredTarget: target})
		if err != nil || got != tc.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, tc.want)
		}
	}
}

// TestStateOfAnActivationThatStopped: what is as the generation to come has it, is
// not drift. All else is judged as ever.
func TestStateOfAnActivationThatStopped(t *testing.T) {
	const current, pending, old = "/nix/store/b-home-manager-files/", "/nix/store/c-home-manager-files/", "/nix/store/a-home-manager-files/"
	d := declaration{
		generation: &homemanager.Generation{Store: "/nix/store", Files: "/nix/store/b-home-manager-files"},
		files:      map[string]string{"web": current + "web", "dropped": current + "dropped"},
		pending:    map[string]string{"web": pending + "web", "new": pending + "new"},
	}
	link := func(hop string) unitfile.File {
		return unitfile.File{Kind: unitfile.Symlink, FirstHop: hop, Target: "/nix/store/u", Digest: "d"}
	}
	for name, tc := range map[string]struct {
		path string
		file unitfile.File
		want string
	}{
		"moved":                        {"web", link(pending + "web"), facts.StatePending},
		"not moved yet":                {"web", link(current + "web"), facts.StateDeclared},
		"new":                          {"new", link(pending + "new"), facts.StatePending},
		"removed":                      {"dropped", unitfile.File{Kind: unitfile.Missing}, facts.StatePending},
		"not removed yet":              {"dropped", link(current + "dropped"), facts.StateDeclared},
		"gone, in both":                {"web", unitfile.File{Kind: unitfile.Missing}, facts.StateMissing},
		"of a third one":               {"web", link(old + "web"), facts.StateOther},
		"of another name":              {"web", link(pending + "new"), facts.StateOther},
		"left by a third one":          {"left", link(old + "left"), facts.StateOther},
		"a mask":                       {"web", unitfile.File{Kind: unitfile.Symlink, FirstHop: "/dev/null", Target: "/dev/null"}, facts.StateMask},
		"a file":                       {"web", unitfile.File{Kind: unitfile.Regular, Target: "/x"}, facts.StateUnreadable},
		"moved, its target is gone":    {"web", unitfile.File{Kind: unitfile.Symlink, FirstHop: pending + "web"}, facts.StateDangling},
		"what neither declares, there": {"mine", unitfile.File{Kind: unitfile.Regular, Target: "/x", Digest: "d"}, facts.StateUndeclared},
	} {
		out := facts.File{Path: tc.path, Role: facts.RoleFragment, DeclaredTarget: d.files[tc.path]}
		got, err := judgeOf(d).state(facts.Unit{}, tc.file, out)
		if err != nil || got != tc.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, tc.want)
		}
	}
	d.pending = nil
	if got, _ := judgeOf(d).state(facts.Unit{}, unitfile.File{Kind: unitfile.Missing}, facts.File{Path: "web", DeclaredTarget: current + "web"}); got != facts.StateMissing {
		t.Errorf("without such an activation a file that is gone is %s", got)
	}
}

func TestStateAsDeclaration(t *testing.T) {
	for name, tc := range map[string]struct {
		file unitfile.File
		want string
	}{
		"own":            {unitfile.File{Kind: unitfile.Regular, Target: "/x", Digest: "d", UID: 1000, Mode: 0o644}, facts.StateDeclared},
		"root's":         {unitfile.File{Kind: unitfile.Regular, Target: "/x", Digest: "d", UID: 0, Mode: 0o644}, facts.StateDeclared},
		"another's":      {unitfile.File{Kind: unitfile.Regular, Target: "/x", Digest: "d", UID: 1001, Mode: 0o644}, facts.StateUnsafe},
		"group-writable": {unitfile.File{Kind: unitfile.Regular, Target: "/x", Digest: "d", UID: 1000, Mode: 0o664}, facts.StateUnsafe},
		"private group writes": {
			unitfile.File{Kind: unitfile.Regular, Target: "/x", Digest: "d", UID: 1000, GID: 1000, Mode: 0o664}, facts.StateDeclared},
		"private group and all write": {
			unitfile.File{Kind: unitfile.Regular, Target: "/x", Digest: "d", UID: 1000, GID: 1000, Mode: 0o666}, facts.StateUnsafe},
		"world-writable": {unitfile.File{Kind: unitfile.Symlink, Target: "/x", Digest: "d", UID: 1000, Mode: 0o646}, facts.StateUnsafe},
		"gone":           {unitfile.File{Kind: unitfile.Missing}, facts.StateMissing},
		"dangling":       {unitfile.File{Kind: unitfile.Symlink, FirstHop: "/x"}, facts.StateDangling},
		"mask":           {unitfile.File{Kind: unitfile.Symlink, Target: "/dev/null"}, facts.StateMask},
		"folder":         {unitfile.File{Kind: unitfile.Directory, Target: "/x", Directory: true}, facts.StateDirectory},
		"a FIFO":         {unitfile.File{Kind: unitfile.Other, Target: "/x", UID: 1000}, facts.StateUnreadable},
	} {
		got, err := judgeOf(declaration{}).state(facts.Unit{ManagedBy: facts.ByConfig}, tc.file, facts.File{Role: facts.RoleFragment, Origin: facts.OriginUser})
		if err != nil || got != tc.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, tc.want)
		}
	}
	mask := unitfile.File{Kind: unitfile.Symlink, Target: "/dev/null"}
	for _, role := range []string{facts.RoleDropIn, facts.RoleSourceDropIn} {
		got, err := judgeOf(declaration{}).state(facts.Unit{ManagedBy: facts.ByConfig}, mask, facts.File{Role: role, Origin: facts.OriginUser})
		if err != nil || got != facts.StateDeclared {
			t.Errorf("a mask of a %s: %s, %v", role, got, err)
		}
	}
}

func TestStateOfALinkThatTheGenerationDoesNotDeclare(t *testing.T) {
	d := declaration{generation: &homemanager.Generation{Store: "/nix/store", Files: "/nix/store/b-home-manager-files"}}
	for name, tc := range map[string]struct{ hop, managedBy, want string }{
		"another generation's, in a pattern": {"/nix/store/a-home-manager-files/db.service", facts.ByConfig, facts.StateOther},
		"another generation's":               {"/nix/store/a-home-manager-files/db.service", "", facts.StateOther},
		"the current one's, in a pattern":    {"/nix/store/b-home-manager-files/db.service", facts.ByConfig, facts.StateDeclared},
		"the user's own, in a pattern":       {"/home/alice/db.service", facts.ByConfig, facts.StateDeclared},
		"the user's own":                     {"/home/alice/db.service", "", facts.StateUndeclared},
	} {
		link := unitfile.File{Kind: unitfile.Symlink, FirstHop: tc.hop, Target: "/nix/store/u", Digest: "d", UID: alice.UID}
		got, err := judgeOf(d).state(facts.Unit{ManagedBy: tc.managedBy}, link, facts.File{Role: facts.RoleFragment, Origin: facts.OriginUser})
		if err != nil || got != tc.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, tc.want)
		}
	}
}

func TestQuadletUnits(t *testing.T) {
	dir := t.TempDir()
	declared := map[string]string{}
	for name, text := range map[string]string{
		"plain.container": "[Container]\nImage=x\n",
		"named.container": "[Container]\nServiceName=other\n",
		"named.pod":       "[Pod]\nServiceName=group\n[Container]\nServiceName=wrong\n",
		"notes.txt":       "",
	} {
		target := filepath.Join(dir, name)
		if err := os.WriteFile(target, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		declared["/home/q/"+name] = target
	}
	declared["/elsewhere/x.container"] = "/dev/null"
	want := map[string]string{
		"/home/q/plain.container": "plain.service", "/home/q/named.container": "other.service", "/home/q/named.pod": "group.service",
	}
	if d := cmp.Diff(want, quadletsOf(t, "/home/q", declared, config.Config{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestPulls: only what is active wants or triggers a unit, and only what is down
// keeps it from running.
func TestPulls(t *testing.T) {
	listed := map[string]systemd.Listed{
		"default.target": {ActiveState: "active"}, "home.target": {ActiveState: "active"}, "later.target": {ActiveState: "inactive"},
		"app.service": {ActiveState: "active"}, "web.timer": {ActiveState: "active"}, "web.socket": {ActiveState: "failed"},
		"db.service": {ActiveState: "inactive"}, "net.service": {ActiveState: "failed"}, "mid.service": {ActiveState: "activating"},
		"app-web.slice": {ActiveState: "inactive"},
	}
	wantedBy, triggeredBy, down := pulls(systemd.Unit{
		WantedBy: []string{"later.target", "home.target", "app.service"}, RequiredBy: []string{"default.target"}, UpheldBy: []string{"home.target"},
		TriggeredBy: []string{"web.timer", "web.socket", "gone.path"},
		Requires:    []string{"net.service", "app.service", "app-web.slice", "mid.service", "unknown.service"}, BindsTo: []string{"db.service"},
	}, listed)
	for what, pair := range map[string][2][]string{
		"wanted by":         {wantedBy, {"default.target", "home.target"}},
		"triggered by":      {triggeredBy, {"web.timer"}},
		"requirements down": {down, {"db.service", "net.service"}},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
		}
	}
	if wantedBy, _, _ := pulls(systemd.Unit{}, listed); wantedBy == nil {
		t.Error("a list is nil, which JSON writes as null")
	}
}

func quadletsOf(t *testing.T, dir string, declared map[string]string, c config.Config) map[string]string {
	t.Helper()
	units, err := quadletUnits(dir, declared, c)
	if err != nil {
		t.Fatal(err)
	}
	return units
}
