package collect

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stackpolicy/applied"
	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/lock"
)

// applyScene is a home with a stack that was applied: its compose file, the env
// file that the configuration names, and one that the compose file names.
type applyScene struct {
	t      *testing.T
	home   string
	env    Environment
	doc    *facts.Document
	record applied.Record
}

func (s *applyScene) path(name string) string { return filepath.Join(s.home, name) }

func (s *applyScene) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *applyScene) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// unit is the stack's unit in the document.
func (s *applyScene) unit() *facts.Unit { return &s.doc.Units[0] }

func (s *applyScene) stack(change func(*config.Stack)) {
	stack := s.env.Config.Stacks["web"]
	change(&stack)
	s.env.Config.Stacks["web"] = stack
}

func sum(text string) string {
	d := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(d[:])
}

var appliedAt = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

func newApplyScene(t *testing.T) *applyScene {
	t.Helper()
	s := &applyScene{t: t, home: t.TempDir()}
	for _, name := range []string{"compose.yaml", "web.env", "app.env"} {
		s.write(name, name)
	}
	fragment := facts.File{Path: "/u/web.service", Role: facts.RoleFragment, State: facts.StateDeclared, Effective: true, Loaded: true, Digest: sum("unit")}
	s.env = Environment{UID: os.Getuid(), StateHome: s.home, Config: config.Config{Stacks: map[string]config.Stack{
		"web":  {Unit: "web.service", Compose: []string{s.path("compose.yaml")}, EnvFiles: []config.File{{Path: s.path("web.env")}}},
		"gone": {Unit: "gone.service", Compose: []string{s.path("compose.yaml")}},
	}}}
	s.doc = &facts.Document{Units: []facts.Unit{
		{Name: "web.service", Services: []facts.Service{}, Files: []facts.File{fragment}},
		{Name: "other.service", Services: []facts.Service{}},
	}}
	s.record = applied.Record{
		Stack: "web", Unit: "web.service", Project: "web", AppliedAt: appliedAt, Invocation: "8f2c",
		Files: []applied.File{
			{Path: "/u/web.service", Role: applied.RoleUnit, Digest: sum("unit")},
			{Path: s.path("compose.yaml"), Role: applied.RoleCompose, Digest: sum("compose.yaml")},
			{Path: s.path("web.env"), Role: applied.RoleEnv, Digest: sum("web.env")},
			{Path: s.path("app.env"), Role: applied.RoleNamed, Digest: sum("app.env")},
		},
		Services: []applied.Service{{Name: "app", Containers: 2, HealthCheck: true}, {Name: "migrate", Containers: 1, OneShot: true}},
		Last:     applied.Outcome{Step: "verify", Status: 4, Message: "app is not healthy"},
	}
	return s
}

func (s *applyScene) collect() {
	s.t.Helper()
	s.do(applied.Write(s.home, s.record))
	s.look()
}

func (s *applyScene) look() {
	s.t.Helper()
	found, err := collectApplied(s.t.Context(), s.env, "/nix/store", s.doc.Units)
	s.do(err)
	found.fill(s.doc)
}

func TestAppliedIsWhatIsRecorded(t *testing.T) {
	s := newApplyScene(t)
	s.record.Stale = true
	s.collect()
	want := facts.Unit{
		Name: "web.service", Files: s.unit().Files,
		Services:     []facts.Service{{Name: "app", Containers: 2, HealthCheck: true}, {Name: "migrate", Containers: 1, OneShot: true}},
		ServicesFrom: "record",
		Applied: &facts.Applied{
			State: "recorded", At: &appliedAt, Project: "web", Invocation: "8f2c", Stale: true, Changed: []facts.AppliedFile{},
			Step: "verify", Status: 4, Message: "app is not healthy",
		},
	}
	if d := cmp.Diff(want, *s.unit()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if other := s.doc.Units[1]; other.Applied != nil || len(other.Services) != 0 {
		t.Errorf("a unit that no stack names: %+v", other)
	}
}

func TestAppliedAfterARollback(t *testing.T) {
	s := newApplyScene(t)
	at := appliedAt.Add(time.Hour)
	s.record.RolledBack = &applied.RolledBack{At: at, Definition: "sha256:00", Message: "web_db exited"}
	s.collect()
	want := &facts.Undone{At: at, Message: "web_db exited"}
	if d := cmp.Diff(want, s.unit().Applied.RolledBack); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestAppliedChanges(t *testing.T) {
	dropIn := facts.File{Path: "/u/web.service.d/a.conf", Role: facts.RoleDropIn, State: facts.StateDeclared, Effective: true, Loaded: true, Digest: sum("dropin")}
	cases := map[string]struct {
		change func(*applyScene)
		want   []facts.AppliedFile // paths below the home without it
	}{
		"nothing": {func(*applyScene) {}, nil},
		"compose file": {func(s *applyScene) { s.write("compose.yaml", "new") },
			[]facts.AppliedFile{{Path: "compose.yaml", Role: "compose", Applied: sum("compose.yaml"), Found: sum("new")}}},
		"written anew with the same content": {func(s *applyScene) { s.write("compose.yaml", "compose.yaml") }, nil},
		"compose file gone": {func(s *applyScene) { s.do(os.Remove(s.path("compose.yaml"))) },
			[]facts.AppliedFile{{Path: "compose.yaml", Role: "compose", Applied: sum("compose.yaml"), Found: ""}}},
		"one more compose file": {func(s *applyScene) {
			s.write("more.yaml", "more")
			s.stack(func(c *config.Stack) { c.Compose = append(c.Compose, s.path("more.yaml")) })
		}, []facts.AppliedFile{{Path: "more.yaml", Role: "compose", Applied: "", Found: sum("more")}}},
		"compose file moved": {func(s *applyScene) {
			s.do(os.Rename(s.path("compose.yaml"), s.path("moved.yaml")))
			s.stack(func(c *config.Stack) { c.Compose = []string{s.path("moved.yaml")} })
		}, nil},
		"compose file moved and changed": {func(s *applyScene) {
			s.write("moved.yaml", "new")
			s.stack(func(c *config.Stack) { c.Compose = []string{s.path("moved.yaml")} })
		}, []facts.AppliedFile{{Path: "compose.yaml", Role: "compose", Applied: sum("compose.yaml"), Found: ""}, {Path: "moved.yaml", Role: "compose", Applied: "", Found: sum("new")}}},
		"env file of the configuration": {func(s *applyScene) { s.write("web.env", "new") },
			[]facts.AppliedFile{{Path: "web.env", Role: "env", Applied: sum("web.env"), Found: sum("new")}}},
		"env file that the compose file names": {func(s *applyScene) { s.write("app.env", "new") },
			[]facts.AppliedFile{{Path: "app.env", Role: "named", Applied: sum("app.env"), Found: sum("new")}}},
		"to what another one holds": {func(s *applyScene) { s.write("app.env", "web.env") },
			[]facts.AppliedFile{{Path: "app.env", Role: "named", Applied: sum("app.env"), Found: sum("web.env")}}},
		"env file no longer configured": {func(s *applyScene) { s.stack(func(c *config.Stack) { c.EnvFiles = nil }) },
			[]facts.AppliedFile{{Path: "web.env", Role: "env", Applied: sum("web.env"), Found: ""}}},
		"one of two that were the same": {func(s *applyScene) {
			s.record.Files[2].Digest, s.record.Files[3].Digest = sum(""), sum("")
			s.write("web.env", "")
			s.write("app.env", "new")
		}, []facts.AppliedFile{{Path: "app.env", Role: "named", Applied: sum(""), Found: sum("new")}}},
		"one that was not there, and is not": {func(s *applyScene) {
			s.record.Files[3].Digest = ""
			s.do(os.Remove(s.path("app.env")))
		}, nil},
		"one that was not there, and is": {func(s *applyScene) { s.record.Files[3].Digest = "" },
			[]facts.AppliedFile{{Path: "app.env", Role: "named", Applied: "", Found: sum("app.env")}}},
		"same content in another role": {func(s *applyScene) {
			s.write("web.env", "compose.yaml")
			s.do(os.Remove(s.path("compose.yaml")))
		}, []facts.AppliedFile{{Path: "compose.yaml", Role: "compose", Applied: sum("compose.yaml"), Found: ""}, {Path: "web.env", Role: "env", Applied: sum("web.env"), Found: sum("compose.yaml")}}},
		"unit file": {func(s *applyScene) { s.unit().Files[0].Digest = sum("new") },
			[]facts.AppliedFile{{Path: "/u/web.service", Role: "unit", Applied: sum("unit"), Found: sum("new")}}},
		"unit file in another folder": {func(s *applyScene) { s.unit().Files[0].Path = "/etc/web.service" }, nil},
		"a drop-in came": {func(s *applyScene) { s.unit().Files = append(s.unit().Files, dropIn) },
			[]facts.AppliedFile{{Path: "/u/web.service.d/a.conf", Role: "unit", Applied: "", Found: sum("dropin")}}},
		"a drop-in went": {func(s *applyScene) {
			s.record.Files = append(s.record.Files, applied.File{Path: dropIn.Path, Role: applied.RoleUnit, Digest: sum("dropin")})
		}, []facts.AppliedFile{{Path: "/u/web.service.d/a.conf", Role: "unit", Applied: sum("dropin"), Found: ""}}},
		"a drop-in went that says what another one says": {func(s *applyScene) {
			s.unit().Files = append(s.unit().Files, dropIn)
			for _, path := range []string{dropIn.Path, "/u/web.service.d/b.conf"} {
				s.record.Files = append(s.record.Files, applied.File{Path: path, Role: applied.RoleUnit, Digest: sum("dropin")})
			}
		}, []facts.AppliedFile{{Path: "/u/web.service.d/b.conf", Role: "unit", Applied: sum("dropin"), Found: ""}}},
		"a drop-in that does not count": {func(s *applyScene) {
			hidden := dropIn
			hidden.Effective = false
			s.unit().Files = append(s.unit().Files, hidden)
		}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newApplyScene(t)
			c.change(s)
			s.collect()
			got := []facts.AppliedFile{}
			for _, f := range s.unit().Applied.Changed {
				f.Path = strings.TrimPrefix(f.Path, s.home+"/")
				got = append(got, f)
			}
			want, key := []facts.AppliedFile{}, s.env.digestKey()
			for _, f := range c.want {
				f.Applied, f.Found = key.of(f.Applied), key.of(f.Found)
				want = append(want, f)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// The first apply failed: there is no record of one, and how it ended is known.
func TestAppliedOfAFailureAlone(t *testing.T) {
	s := newApplyScene(t)
	s.record.AppliedAt, s.record.Last = time.Time{}, applied.Outcome{Step: "apply", Status: 21, Message: "no image", At: appliedAt}
	s.collect()
	want := &facts.Applied{State: "none", Changed: []facts.AppliedFile{}, Step: "apply", Status: 21, Message: "no image"}
	if d := cmp.Diff(want, s.unit().Applied); d != "" || len(s.unit().Services) > 0 {
		t.Errorf("services %v, -want +got\n%s", s.unit().Services, d)
	}
}

// While stackctl works, what containers are is not comparable.
func TestAppliedWhileStackctlWorks(t *testing.T) {
	s := newApplyScene(t)
	s.env.RuntimeDir = t.TempDir()
	release, err := lock.Take(applied.LockPath(s.env.RuntimeDir, "web"), appliedAt)
	s.do(err)
	s.collect()
	if !s.unit().Applied.Busy {
		t.Error("not busy while the lock is held")
	}
	release()
	s.look()
	if s.unit().Applied.Busy {
		t.Error("busy when nobody holds the lock")
	}
}

func TestAppliedWithoutARecord(t *testing.T) {
	cases := map[string]struct {
		change     func(*applyScene)
		state, err string // state "" is no applied at all
	}{
		"never applied": {func(*applyScene) {}, "none", ""},
		"damaged": {func(s *applyScene) {
			s.do(os.MkdirAll(applied.Folder(s.home), 0o700))
			s.do(os.WriteFile(applied.Path(s.home, "web"), []byte("{"), 0o600))
		}, "unreadable", "applied/web.json: unexpected EOF"},
		"a folder in its place": {func(s *applyScene) { s.do(os.MkdirAll(applied.Path(s.home, "web"), 0o700)) },
			"unreadable", "not a regular file"},
		"no compose files": {func(s *applyScene) { s.stack(func(c *config.Stack) { c.Compose = nil }) }, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newApplyScene(t)
			c.change(s)
			s.look()
			u := s.unit()
			if c.state == "" {
				if u.Applied != nil {
					t.Errorf("got %+v, want nothing", u.Applied)
				}
				return
			}
			if u.Applied == nil || u.Applied.State != c.state || !strings.Contains(u.Applied.Error, c.err) || (c.err == "") != (u.Applied.Error == "") {
				t.Errorf("got %+v, want %s: %s", u.Applied, c.state, c.err)
			}
			if u.Services == nil || len(u.Services) > 0 || u.Applied.Changed == nil || u.Applied.At != nil {
				t.Errorf("services %v, %+v", u.Services, u.Applied)
			}
		})
	}
}

// What stackctl's preflight would refuse is a fact: then a restart would only stop the unit.
func TestWhatAnApplyCannotUse(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*applyScene)
		want   []facts.BadFile // paths below the home without it
	}{
		"nothing":                {func(*applyScene) {}, nil},
		"a changed compose file": {func(s *applyScene) { s.write("compose.yaml", "services: {}") }, nil},
		"a compose file is gone": {remove("compose.yaml"), []facts.BadFile{{Path: "compose.yaml", Role: "compose", Reason: "is missing"}}},
		"a compose file is a folder": {func(s *applyScene) { remove("compose.yaml")(s); s.do(os.Mkdir(s.path("compose.yaml"), 0o700)) },
			[]facts.BadFile{{Path: "compose.yaml", Role: "compose", Reason: "cannot be read: "}}},
		"a compose file is cut":              {func(s *applyScene) { s.write("compose.yaml", "services: {a: [") }, []facts.BadFile{{Path: "compose.yaml", Role: "compose", Reason: "is no YAML: "}}},
		"an env file is gone":                {remove("web.env"), []facts.BadFile{{Path: "web.env", Role: "env", Reason: "is missing"}}},
		"a file that is named is gone":       {remove("app.env"), []facts.BadFile{{Path: "app.env", Role: "named", Reason: "is missing or cannot be read"}}},
		"a named file is gone with its name": {func(s *applyScene) { remove("app.env")(s); s.write("compose.yaml", "services: {}") }, nil},
		"a secret that others can read": {func(s *applyScene) {
			s.write("token", "s3cret")
			s.do(os.Chmod(s.path("token"), 0o644))
			s.stack(func(c *config.Stack) { c.Secrets = []config.File{{Path: s.path("token")}} })
		}, []facts.BadFile{{Path: "token", Role: "secret", Reason: "may be used by others: its mode is 0644, want at most 0600"}}},
	} {
		for _, recorded := range []bool{true, false} {
			s := newApplyScene(t)
			c.change(s)
			if recorded {
				s.collect()
			} else {
				s.look()
			}
			var got []facts.BadFile
			for _, f := range s.unit().Applied.Unusable {
				f.Path = strings.TrimPrefix(f.Path, s.home+"/")
				if i := strings.Index(f.Reason, ": "); i > 0 && f.Role == "compose" {
					f.Reason = f.Reason[:i+2]
				}
				got = append(got, f)
			}
			want := c.want
			if !recorded { // then it is not known what is named
				want = slices.DeleteFunc(slices.Clone(want), func(f facts.BadFile) bool { return f.Role == "named" })
			}
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("%s, recorded %v: -want +got\n%s", name, recorded, d)
			}
		}
	}
}

func remove(name string) func(*applyScene) {
	return func(s *applyScene) { s.do(os.Remove(s.path(name))) }
}
