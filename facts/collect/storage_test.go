package collect

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"stackpolicy/config"
	"stackpolicy/facts"
	"stackpolicy/internal/podman"
)

// stored is a podman whose storage is in these folders.
type stored struct {
	at  podman.Storage
	err error
}

func (s stored) Storage(context.Context) (podman.Storage, error) { return s.at, s.err }

// TestCollectStorage: podman is only asked where it has containers of managed units, or may
// have some.
func TestCollectStorage(t *testing.T) {
	dir := t.TempDir()
	source := stored{at: podman.Storage{RunRoot: filepath.Join(dir, "run", "none"), GraphRoot: dir}}
	web := podman.Container{ID: "01", Name: "web", State: "running", Labels: map[string]string{podman.LabelUnit: "web.service"}}
	for name, c := range map[string]struct {
		source StorageSource
		podman Lister
		config config.Config
		asked  bool
		says   string
	}{
		"a managed unit has containers": {source, containers{web}, config.Config{Units: []string{"web.service"}}, true, ""},
		"a stack has none now":          {source, containers{}, config.Config{Stacks: map[string]config.Stack{"web": {Unit: "web.service"}}}, true, ""},
		"nobody's containers":           {source, containers{web}, config.Config{}, false, ""},
		"no containers":                 {source, containers{}, config.Config{Units: []string{"web.service"}}, false, ""},
		"no podman":                     {stored{err: errors.New("asked")}, absentPodman{}, config.Config{Stacks: map[string]config.Stack{"web": {Unit: "web.service"}}}, false, ""},
		"nothing is to be asked":        {nil, containers{web}, config.Config{Units: []string{"web.service"}}, false, ""},
		"podman fails":                  {stored{err: errors.New("denied")}, containers{web}, config.Config{Units: []string{"web.service"}}, false, "denied"},
		"podman is silent":              {stored{err: context.DeadlineExceeded}, containers{web}, config.Config{Units: []string{"web.service"}}, false, "podman did not say within 5s where its storage is"},
		"podman lists nothing":          {source, brokenPodman{}, config.Config{Units: []string{"web.service"}}, false, "rests on the podman collector: locked"},
	} {
		env := testEnvironment(t)
		env.Storage, env.Podman, env.Config = c.source, c.podman, c.config
		doc := collect(t.Context(), env, (&fakeManager{}).survey)
		if status := doc.Collectors["storage"]; status.Error != c.says || (doc.Storage == nil) != (c.says != "") {
			t.Errorf("%s: %+v, storage %+v", name, status, doc.Storage)
			continue
		}
		if s := doc.Storage; c.says == "" && ((s.RunRoot != nil) != c.asked || (s.GraphRoot != nil) != c.asked) {
			t.Errorf("%s: got %+v", name, s)
		}
		if c.asked && (doc.Storage.GraphRoot.Path != dir || doc.Storage.RunRoot.Path != source.at.RunRoot || doc.Storage.RunRoot.Type == "") {
			t.Errorf("%s: got %+v, %+v", name, doc.Storage.RunRoot, doc.Storage.GraphRoot)
		}
	}
}

type absentPodman struct{}

func (absentPodman) Containers(context.Context) (podman.Listing, error) { return podman.Listing{}, nil }

type brokenPodman struct{}

func (brokenPodman) Containers(context.Context) (podman.Listing, error) {
	return podman.Listing{}, errors.New("locked")
}

// TestFileSystem compares with what stat(1) says of file systems of this machine.
func TestFileSystem(t *testing.T) {
	kinds := map[string]string{"ext2/ext3": "ext", "overlayfs": "overlay"}
	for _, path := range []string{t.TempDir(), "/proc", "/dev/shm", "/"} {
		out, err := exec.Command("stat", "--file-system", "--format", "%T %a %S %c %d", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Fields(string(out))
		want, known := kinds[said[0]]
		if !known {
			want = said[0]
		}
		f, err := fileSystem(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Type != want && !strings.HasPrefix(f.Type, "0x") || path == "/dev/shm" && f.Type != "tmpfs" {
			t.Errorf("%s: %s, want %s", path, f.Type, want)
		}
		if free := number(t, said[1]) * number(t, said[2]) / 1e6; f.FreeMB < free*9/10-1 || f.FreeMB > free*11/10+1 {
			t.Errorf("%s: %d MB free, want about %d", path, f.FreeMB, free)
		}
		if files, left := number(t, said[3]), number(t, said[4]); files == 0 && f.FreeInodes != nil || files > 0 && (*f.FreeInodes > left*11/10+1 || *f.FreeInodes < left*8/10-1) {
			t.Errorf("%s: %v inodes free, want about %d of %d", path, f.FreeInodes, left, files)
		}
	}
	dir := t.TempDir()
	there, err := fileSystem(dir)
	if err != nil {
		t.Fatal(err)
	}
	missing, err := fileSystem(filepath.Join(dir, "a", "b"))
	if err != nil || missing.Type != there.Type || missing.Path != filepath.Join(dir, "a", "b") {
		t.Errorf("of a folder that does not exist: %+v, %v", missing, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := fileSystem(filepath.Join(file, "below")); err == nil {
		t.Errorf("below a file: %+v", f)
	}
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTwoDigits(t *testing.T) {
	for n, want := range map[int64]int64{0: 0, 7: 7, 99: 99, 100: 100, 999: 990, 1000: 1000, 1999: 1900, 123_456_789: 120_000_000} {
		if got := twoDigits(n); got != want {
			t.Errorf("%d: %d, want %d", n, got, want)
		}
	}
}

// TestBootTime compares with /proc/uptime.
func TestBootTime(t *testing.T) {
	got, err := bootTime("/proc/stat")
	if err != nil || got == nil {
		t.Fatalf("%v, %v", got, err)
	}
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	up, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Since(*got).Seconds() - up; d < -2 || d > 3 {
		t.Errorf("booted at %s, which is %.0f seconds off", got, d)
	}
	path := filepath.Join(t.TempDir(), "stat")
	for content, want := range map[string]string{"cpu 1\n": "", "btime x\n": "invalid syntax"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := bootTime(path)
		if got != nil || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v", content, got, err)
		}
	}
	if _, err := bootTime(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file is no error")
	}
}

// TestHostFileSystems: the folders need not exist yet.
func TestHostFileSystems(t *testing.T) {
	doc := collect(t.Context(), testEnvironment(t), (&fakeManager{}).survey)
	var none *facts.FileSystem
	if h := doc.Host; h == nil || h.HomeFS == none || h.StateFS == none || h.StateFS.Type != h.HomeFS.Type || h.BootedAt == nil {
		t.Errorf("got %+v", h)
	}
}
