package blame

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/internal/unitfile"
)

// reader parses "[Section]" and "Key=Value" lines; "!" is where systemd stops.
func reader(texts map[string]string) Reader {
	return func(path string) (list []unitfile.Assignment, stopped int, err error) {
		text, ok := texts[path]
		if !ok {
			return nil, 0, errors.New("no such file: " + path)
		}
		section := ""
		for i, line := range strings.Split(text, "\n") {
			key, value, ok := strings.Cut(line, "=")
			switch {
			case line == "!":
				return list, i + 1, nil
			case ok:
				list = append(list, unitfile.Assignment{Section: section, Key: key, Value: value, Line: i + 1})
			default:
				section = strings.Trim(line, "[]")
			}
		}
		return list, 0, nil
	}
}

// lines writes settings as "file:line Key=Value <- overridden", and ignored lines as "file:line".
func lines(b Blame) (settings, ignored []string) {
	for _, s := range b.Settings {
		line := fmt.Sprintf("%s:%d %s=%s", s.File, s.Line, s.Key, s.Value)
		for _, o := range s.Overrides {
			line += fmt.Sprintf(" <- %s:%d %s%s", o.File, o.Line, strings.TrimPrefix(o.Key+"=", "="), o.Value)
		}
		settings = append(settings, line)
	}
	for _, i := range b.Ignored {
		ignored = append(ignored, fmt.Sprintf("%s:%d", i.File, i.Line))
	}
	return settings, ignored
}

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		unit, a, b    string // a is the fragment, b a drop-in
		want, ignored []string
	}{
		"a scalar":               {"w.service", "[Service]\nNice=1\nNice=2", "[Service]\nNice=3", []string{"b:2 Nice=3 <- a:2 1 <- a:3 2"}, nil},
		"a scalar's default":     {"w.service", "[Service]\nNice=1", "[Service]\nNice=", []string{"b:2 Nice= <- a:2 1"}, nil},
		"a scalar that is kept":  {"w.service", "[Service]\nRestart=no", "[Service]\nRestart=", []string{"a:2 Restart=no"}, []string{"b:2"}},
		"a list":                 {"w.service", "[Service]\nExecStart=1", "[Service]\nExecStart=2", []string{"a:2 ExecStart=1", "b:2 ExecStart=2"}, nil},
		"a list that is emptied": {"w.service", "[Service]\nExecStart=1\nExecStart=2", "[Service]\nExecStart=\nExecStart=3", []string{"b:2 ExecStart= <- a:2 1 <- a:3 2", "b:3 ExecStart=3"}, nil},
		"emptied again":          {"w.service", "[Service]\nExecStart=1\nExecStart=\nExecStart=2", "[Service]\nExecStart=", []string{"b:2 ExecStart= <- a:2 1 <- a:4 2"}, nil},
		"nothing to empty":       {"w.service", "[Service]\nExecStart=\nExecStart=1", "", []string{"a:3 ExecStart=1"}, nil},
		"a group that is emptied": {"w.timer", "[Timer]\nOnCalendar=1\nOnBootSec=2", "[Timer]\nOnBootSec=\nOnActiveSec=3",
			[]string{"b:2 OnBootSec= <- a:2 OnCalendar=1 <- a:3 2", "b:3 OnActiveSec=3"}, nil},
		"conditions":               {"w.path", "[Unit]\nConditionUser=1\nAssertUser=2", "[Unit]\nConditionHost=", []string{"a:3 AssertUser=2", "b:2 ConditionHost= <- a:2 ConditionUser=1"}, nil},
		"dependencies":             {"w.target", "[Unit]\nAfter=a\nAfter=", "[Unit]\nAfter=b", []string{"a:2 After=a", "b:2 After=b"}, []string{"a:3"}},
		"only the first":           {"w.timer", "[Timer]\nUnit=\nUnit=a", "[Timer]\nUnit=b", []string{"a:3 Unit=a"}, []string{"a:2", "b:2"}},
		"variables":                {"w.service", "[Service]\nEnvironment=A=1\nEnvironment=B=1 C=1", "[Service]\nEnvironment=A=2 B=2", []string{"a:3 Environment=B=1 C=1", "b:2 Environment=A=2 B=2 <- a:2 A=1"}, nil},
		"variables, emptied":       {"w.service", "[Service]\nEnvironment=A=1", "[Service]\nEnvironment=\nEnvironment=A=2", []string{"b:2 Environment= <- a:2 A=1", "b:3 Environment=A=2"}, nil},
		"a variable with a blank":  {"w.service", "[Service]\nEnvironment=\"A=1 2\"", "[Service]\nEnvironment='A=3'", []string{"b:2 Environment='A=3' <- a:2 \"A=1 2\""}, nil},
		"another name of a key":    {"w.service", "[Service]\nReadOnlyDirectories=/a", "[Service]\nReadOnlyPaths=", []string{"b:2 ReadOnlyPaths= <- a:2 ReadOnlyDirectories=/a"}, nil},
		"another section of a key": {"w.service", "[Service]\nStartLimitBurst=1", "[Unit]\nStartLimitBurst=2", []string{"b:2 StartLimitBurst=2 <- a:2 1"}, nil},
		"two timeouts in one":      {"w.service", "[Service]\nTimeoutStartSec=1\nTimeoutStopSec=2", "[Service]\nTimeoutSec=3", []string{"b:2 TimeoutSec=3 <- a:2 TimeoutStartSec=1 <- a:3 TimeoutStopSec=2"}, nil},
		"a boolean or a list":      {"w.service", "[Service]\nDelegate=cpu", "[Service]\nDelegate=no\nDelegate=io", []string{"b:2 Delegate=no <- a:2 cpu", "b:3 Delegate=io"}, nil},
		"no section":               {"w.service", "Nice=1", "[Timer]\nUnit=a\n[X-My]\nKey=1\nKey=2", []string{"b:4 Key=1", "b:5 Key=2"}, []string{"a:1", "b:2"}},
		"a target has none":        {"w.target", "[Target]\nA=1", "", nil, []string{"a:2"}},
		"an error in a file":       {"w.service", "[Service]\nNice=1\n!\nNice=2", "[Service]\nNice=3", []string{"b:2 Nice=3 <- a:2 1"}, []string{"a:3"}},
		"sections and keys": {"w.service", "[Unit]\nAfter=a\n[Service]\nNice=1\n[Unit]\nBefore=b", "[Install]\nAlias=c\n[Unit]\nAfter=d",
			[]string{"a:2 After=a", "b:4 After=d", "a:6 Before=b", "a:4 Nice=1", "b:2 Alias=c"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			u := facts.Unit{Name: c.unit, Files: []facts.File{
				{Path: "a", Role: facts.RoleFragment, Effective: true, Digest: "1"}, {Path: "b", Role: facts.RoleDropIn, Effective: true, Digest: "2"},
			}}
			b, err := Of(u, reader(map[string]string{"a": c.a, "b": c.b}))
			if err != nil {
				t.Fatal(err)
			}
			settings, ignored := lines(b)
			if d := cmp.Diff([][]string{c.want, c.ignored}, [][]string{settings, ignored}); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestFiles: which files are read, and whether their settings are declared and loaded.
func TestFiles(t *testing.T) {
	fragment := facts.File{Path: "/u/w.service", Role: facts.RoleFragment, State: facts.StateDeclared, Effective: true, Loaded: true, Digest: "1"}
	with := func(change func(*facts.File)) facts.File { f := fragment; change(&f); return f }
	dropIn := with(func(f *facts.File) { f.Path, f.Role = "/u/w.service.d/a.conf", facts.RoleDropIn })
	source := with(func(f *facts.File) { f.Path, f.Role = "/q/w.container", facts.RoleSource })
	generated := with(func(f *facts.File) { f.State = facts.StateGenerated })
	loaded := &facts.Loaded{LoadState: "loaded", SourcePath: "/q/w.container"}
	for name, c := range map[string]struct {
		unit facts.Unit
		want string // of each setting: file, declared, loaded
		err  string
	}{
		"declared and loaded": {facts.Unit{Loaded: loaded, Files: []facts.File{fragment, dropIn}}, "w.service true true, a.conf true true", ""},
		"changed after load":  {facts.Unit{Loaded: loaded, Files: []facts.File{with(func(f *facts.File) { f.ChangedAfterLoad = true })}}, "w.service true false", ""},
		"not loaded":          {facts.Unit{Loaded: loaded, Files: []facts.File{with(func(f *facts.File) { f.Loaded = false })}}, "w.service true false", ""},
		"loaded differently":  {facts.Unit{Loaded: &facts.Loaded{LoadState: "loaded", Differs: []facts.Difference{{Key: "Description"}}}, Files: []facts.File{fragment}}, "w.service true false", ""},
		"undeclared":          {facts.Unit{Loaded: loaded, Files: []facts.File{with(func(f *facts.File) { f.State = facts.StateUndeclared })}}, "w.service false true", ""},
		"not used":            {facts.Unit{Loaded: loaded, Files: []facts.File{fragment, with(func(f *facts.File) { f.Path, f.Effective = "/etc/w.service", false })}}, "w.service true true", ""},
		"a link is no file":   {facts.Unit{Loaded: loaded, Files: []facts.File{fragment, with(func(f *facts.File) { f.Path, f.Role = "/x", "wants" })}}, "w.service true true", ""},
		"generated":           {facts.Unit{Quadlet: true, Loaded: loaded, Files: []facts.File{generated, source}}, "w.service true true", ""},
		"of a source undeclared": {facts.Unit{Quadlet: true, Loaded: loaded, Files: []facts.File{generated, source,
			with(func(f *facts.File) { f.Role, f.State = facts.RoleSourceDropIn, facts.StateUndeclared })}}, "w.service false true", ""},
		"of no source":      {facts.Unit{Quadlet: true, Loaded: loaded, Files: []facts.File{generated}}, "w.service false true", ""},
		"masked by a link":  {facts.Unit{Loaded: loaded, Files: []facts.File{with(func(f *facts.File) { f.Digest, f.Target = "", "/dev/null" }), dropIn}}, "masked", ""},
		"masked, no bytes":  {facts.Unit{Loaded: loaded, Files: []facts.File{with(func(f *facts.File) { f.Digest = emptyDigest }), dropIn}}, "masked", ""},
		"a masked drop-in":  {facts.Unit{Loaded: loaded, Files: []facts.File{fragment, with(func(f *facts.File) { f.Role, f.Digest, f.Target = facts.RoleDropIn, "", "/dev/null" })}}, "w.service true true", ""},
		"a drop-in, alone":  {facts.Unit{Loaded: loaded, Files: []facts.File{dropIn}}, "a.conf true true", ""},
		"it is not found":   {facts.Unit{Loaded: &facts.Loaded{LoadState: "not-found"}, Files: []facts.File{dropIn}}, "", ""},
		"dangling":          {facts.Unit{Loaded: loaded, Files: []facts.File{fragment, with(func(f *facts.File) { f.Role, f.Digest = facts.RoleDropIn, "" })}}, "w.service true true", ""},
		"it cannot be read": {facts.Unit{Loaded: loaded, Files: []facts.File{fragment, with(func(f *facts.File) { f.Role, f.Digest, f.Target = facts.RoleDropIn, "", "/t" })}}, "", "this account may not"},
		"it is gone":        {facts.Unit{Loaded: loaded, Files: []facts.File{with(func(f *facts.File) { f.Path = "/gone" })}}, "", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			text := "[Unit]\nDescription=1"
			b, err := Of(c.unit, reader(map[string]string{"/u/w.service": text, "/u/w.service.d/a.conf": strings.Replace(text, "Description", "After", 1)}))
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			var got []string
			for _, s := range b.Settings {
				got = append(got, fmt.Sprint(filepath.Base(s.File), s.Declared, s.Loaded))
			}
			if b.Masked {
				got = append(got, "masked")
			}
			want := strings.NewReplacer(".service ", ".service", ".conf ", ".conf").Replace(c.want)
			if g := strings.Join(got, ", "); g != want {
				t.Errorf("got %q, want %q", g, want)
			}
			if c.unit.Quadlet && b.Source != "/q/w.container" {
				t.Errorf("source %q", b.Source)
			}
		})
	}
}

// TestLimits: more files, settings or text than any unit has is an error.
func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		files, settings, size int
		isError               bool
	}{
		"many settings":     {1, maxSettings, 1, false},
		"too many settings": {1, maxSettings + 1, 1, true},
		"much text":         {10, 1, maxText / 10, false},
		"too much text":     {10, 1, maxText/10 + 1, true},
		"many files":        {maxFiles, 1, 1, false},
		"too many files":    {maxFiles + 1, 1, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			u := facts.Unit{Name: "w.service", Loaded: &facts.Loaded{LoadState: "loaded"}}
			for i := range c.files {
				u.Files = append(u.Files, facts.File{Path: fmt.Sprint(i), Role: facts.RoleDropIn, Effective: true, Digest: "1"})
			}
			value := strings.Repeat("x", c.size)
			list := make([]unitfile.Assignment, c.settings)
			for i := range list {
				list[i] = unitfile.Assignment{Section: "Service", Key: "Nice", Value: value}
			}
			b, err := Of(u, func(string) ([]unitfile.Assignment, int, error) { return list, 0, nil })
			if (err != nil) != c.isError || err == nil && len(b.Settings) != 1 {
				t.Errorf("%d settings, error %v", len(b.Settings), err)
			}
		})
	}
}

// TestKeysAreInOneTable: a key goes together with others in one way.
func TestKeysAreInOneTable(t *testing.T) {
	seen := map[string]bool{}
	for _, table := range []string{dependencies, lists, defaults} {
		for _, key := range strings.Fields(table) {
			if seen[key] {
				t.Errorf("%s is there twice", key)
			}
			seen[key] = true
		}
	}
}
