package unitfile_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stackpolicy/internal/unitfile"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// managers runs a test below each systemd there is.
func managers(t *testing.T, test func(*testing.T, *usermanager.Manager)) {
	t.Helper()
	systems.Each(t, func(t *testing.T, options usermanager.Options) { test(t, systems.Start(t, options)) })
}

// tree writes files below a folder, as root reads them; "-> TARGET" is a link
// and a path that ends in a slash a folder.
func tree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch target, link := strings.CutPrefix(text, "-> "); {
		case strings.HasSuffix(name, "/"):
			err = os.Mkdir(path, 0o755)
		case link:
			err = os.Symlink(target, path)
		default:
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func systemctl(t *testing.T, m *usermanager.Manager, args ...string) string {
	t.Helper()
	cmd := m.Command(t.Context(), append([]string{"systemctl", "--user"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(args, explain(err))
	}
	return strings.TrimSpace(string(out))
}

const (
	service = "[Service]\nType=oneshot\nExecStart=/bin/true\n"
	setting = "[Service]\nEnvironment=A=1\n"
)

// onDisk is what stands in the user's unit folder, and below "etc/" in
// /etc/systemd/user.
var onDisk = map[string]string{
	"plain.service":                     service,
	"plain.service.d/b.conf":            setting,
	"plain.service.d/a.conf":            setting,
	"plain.service.d/.hidden.conf":      setting,
	"plain.service.d/backup.conf~":      setting,
	"plain.service.d/note.txt":          setting,
	"plain.service.d/empty.conf":        "",
	"plain.service.d/masked.conf":       "-> /dev/null",
	"plain.service.d/dangling.conf":     "-> /nowhere.conf",
	"plain.service.d/folder.conf/":      "",
	"etc/plain.service.d/a.conf":        setting,
	"etc/plain.service.d/masked.conf":   setting,
	"etc/plain.service.d/etc-only.conf": setting,
	"service.d/type.conf":               setting,
	"service.d/a.conf":                  setting,
	"etc/service.d/b.conf":              setting,
	"etc/service.d/type.conf":           setting,

	"foo-bar-baz.service":                 service,
	"foo-.service.d/foo.conf":             setting,
	"foo-.service.d/same.conf":            setting,
	"foo-bar-.service.d/same.conf":        setting,
	"etc/foo-bar-baz.service.d/same.conf": setting,
	"foo-bar-.service":                    service,
	"foo--baz.service":                    service,
	"foo--.service.d/double.conf":         setting,
	"-lead.service":                       service,
	"-.service.d/lead.conf":               setting,

	"foo-bar@.service":                  service,
	"foo-bar@x.service.d/instance.conf": setting,
	"foo-bar@.service.d/template.conf":  setting,
	"foo-@x.service.d/at-x.conf":        setting,
	"foo-@.service.d/at.conf":           setting,
	"foo-bar@x.service.d/order.conf":    setting,
	"foo-@x.service.d/order2.conf":      setting,
	"foo-@.service.d/order2.conf":       setting,
	"foo-.service.d/order2.conf":        setting,
	"foo-@.service.d/order3.conf":       setting,
	"foo-@x.service.d/order3.conf":      setting,
	"foo-bar@own-part.service":          service,
	"foo-bar@own-.service.d/never.conf": setting,

	"linked.service":             service,
	"shared.service":             service,
	"relative.service":           service,
	"relative.service.d":         "-> ../../../elsewhere",
	"../../../elsewhere/in.conf": setting,
	"looped.service":             service,
	"looped.service.d":           "-> looped.service.d",
	"lost.service":               service,
	"lost.service.d":             "-> /nowhere",
	"filed.service":              service,
	"filed.service.d":            "a file where a folder should be",

	"real.service":               service,
	"other.service":              "-> real.service",
	"other.service.d/other.conf": setting,
	"other.service.d/both.conf":  setting,
	"real.service.d/both.conf":   setting,

	"etc/higher.service":   service,
	"higher.service":       service,
	"etc/lower.service":    service,
	"mask.service":         "-> /dev/null",
	"empty.service":        "",
	"etc/mask.service":     service,
	"gone.service":         "-> /nowhere.service",
	"etc/gone.service":     service,
	"dir.service/":         "",
	"etc/dir.service":      service,
	"linkdir.service":      "-> ../../../elsewhere",
	"etc/linkdir.service":  service,
	".hidden.service":      service,
	"inst@.service":        service,
	"etc/inst@one.service": service,
	"a@b@c.service":        service,
	"a@.service":           service,
}

// asked are the units whose paths are compared.
var asked = []string{
	"plain.service", "foo-bar-baz.service", "foo-bar-.service", "foo--baz.service", "-lead.service",
	"foo-bar@x.service", "foo-bar@own-part.service", "linked.service", "shared.service", "relative.service", "looped.service", "lost.service", "filed.service",
	"real.service", "higher.service", "lower.service", "mask.service", "empty.service", "gone.service", "dir.service",
	"linkdir.service", ".hidden.service", "inst@one.service", "inst@two.service", "a@b@c.service", "a@d@c.service", "absent.service",
}

// found is what the index says of one unit, as its account sees it.
type found struct {
	Fragment string
	DropIns  []string
}

// lookVariable makes the test binary look for units instead of testing, inside
// a manager's namespaces and as its account.
const lookVariable = "UNITFILE_TEST_LOOK"

func TestMain(m *testing.M) {
	if os.Getenv(lookVariable) != "" {
		os.Exit(look(strings.Fields(os.Getenv(lookVariable))))
	}
	os.Exit(m.Run())
}

// look reads the unit path from the arguments and lines "UNIT ALIAS…" from
// standard input.
func look(path []string) int {
	x, err := unitfile.ReadIndex(context.Background(), path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	all := map[string]found{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		names := strings.Fields(lines.Text())
		f := found{DropIns: []string{}}
		for _, p := range x.Fragments(names[0]) {
			if got, err := unitfile.Stat(context.Background(), p, ""); err == nil && !got.Directory {
				f.Fragment = p
				break
			}
		}
		for _, d := range x.DropIns(names) {
			if !d.Masked {
				f.DropIns = append(f.DropIns, d.Real)
			}
		}
		all[names[0]] = f
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		return 1
	}
	return 0
}

// TestPathsAreSystemds: the index finds the fragment and the drop-ins that a
// real manager loads, in its order.
func TestPathsAreSystemds(t *testing.T) {
	managers(t, func(t *testing.T, m *usermanager.Manager) {
		etc, own := map[string]string{}, map[string]string{}
		for name, text := range onDisk {
			if below, ok := strings.CutPrefix(name, "etc/"); ok {
				etc[below] = text
			} else {
				own[name] = text
			}
		}
		own["shared.service.d"] = "-> " + filepath.Join(m.Home, "elsewhere")
		own["linked.service.d"] = "-> " + filepath.Join(m.Home, "elsewhere")
		tree(t, filepath.Join(m.Home, ".config/systemd/user"), own)
		tree(t, m.Path("/etc/systemd/user"), etc)
		systemctl(t, m, "daemon-reload")
		shown, names := map[string]map[string]string{}, ""
		for _, name := range asked {
			shown[name] = show(t, m, name)
			others := slices.DeleteFunc(strings.Fields(shown[name]["Names"]), func(n string) bool { return n == name })
			names += strings.Join(append([]string{name}, others...), " ") + "\n"
		}
		all := lookInside(t, m, names)
		for _, name := range asked {
			t.Run(name, func(t *testing.T) { comparePaths(t, shown[name], all[name]) })
		}
	})
}

func lookInside(t *testing.T, m *usermanager.Manager, names string) map[string]found {
	t.Helper()
	program, err := m.Install(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd := m.Command(t.Context(), program)
	cmd.Env = append(cmd.Env, lookVariable+"="+systemctl(t, m, "show", "--value", "-p", "UnitPath"))
	cmd.Stdin = strings.NewReader(names)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(explain(err))
	}
	all := map[string]found{}
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func show(t *testing.T, m *usermanager.Manager, name string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for line := range strings.Lines(systemctl(t, m, "show", "-p", "Names,FragmentPath,DropInPaths,LoadState", "--", name)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[key] = value
	}
	return values
}

func comparePaths(t *testing.T, systemd map[string]string, index found) {
	if !slices.Contains([]string{"loaded", "masked"}, systemd["LoadState"]) {
		return // then it has no paths
	}
	if index.Fragment != systemd["FragmentPath"] {
		t.Errorf("fragment %q, systemd has %q (%s)", index.Fragment, systemd["FragmentPath"], systemd["LoadState"])
	}
	if systemd["LoadState"] == "masked" && systemd["DropInPaths"] == "" {
		return // drop-ins of a masked unit are read by older systemd only
	}
	if want := strings.Fields(systemd["DropInPaths"]); !slices.Equal(want, index.DropIns) {
		t.Errorf("drop-ins\nsystemd %q\nindex   %q", want, index.DropIns)
	}
}

// explain adds what a program said to its error.
func explain(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return err
}
