package unitfile

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func contextCanceled(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

// put writes files below a folder; "-> TARGET" is a link.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		err := error(nil)
		if target, link := strings.CutPrefix(text, "-> "); link {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

const digestOfX = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"

func TestStat(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"regular":         "x",
		"link":            "-> " + dir + "/regular",
		"chain":           "-> link",
		"loop":            "-> loop2",
		"loop2":           "-> loop",
		"dangling":        "-> " + dir + "/nowhere",
		"middle":          "-> dangling",
		"through-file":    "-> regular/below",
		"null":            "-> /dev/null",
		"null-dotted":     "-> /dev/../dev/null",
		"folder/inside":   "x",
		"to-folder":       "-> folder",
		"real/deep/up":    "-> ../beside",
		"real/beside":     "x",
		"beside":          "wrong",
		"shortcut":        "-> real/deep",
		"over-shortcut":   "-> shortcut/../beside",
		"abs-shortcut":    "-> " + dir + "/shortcut/../beside",
		"folder/dangling": "-> /nowhere",
	})
	if err := syscall.Mkfifo(dir+"/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ path, kind, hop, target, digest string }{
		{"nothing", Missing, "", "", ""},
		{"regular/below", Missing, "", "", ""},
		{"loop/below", Missing, "", "", ""},
		{"regular", Regular, "", "regular", digestOfX},
		{"link", Symlink, "regular", "regular", digestOfX},
		{"chain", Symlink, "link", "regular", digestOfX},
		{"loop", Symlink, "loop2", "", ""},
		{"dangling", Symlink, "nowhere", "", ""},
		{"middle", Symlink, "dangling", "", ""},
		{"through-file", Symlink, "regular/below", "", ""},
		{"null", Symlink, "/dev/null", "/dev/null", ""},
		{"null-dotted", Symlink, "/dev/null", "/dev/null", ""},
		{"fifo", Other, "", "fifo", ""},
		{"folder", Directory, "", "folder", ""},
		{"to-folder", Symlink, "folder", "folder", ""},
		{"to-folder/inside", Symlink, "folder/inside", "to-folder/inside", digestOfX},
		{"to-folder/dangling", Symlink, "folder/dangling", "", ""},
		{"to-folder/nothing", Missing, "", "", ""},
		{"shortcut/up", Symlink, "real/deep/up", "real/beside", digestOfX},
		{"over-shortcut", Symlink, "beside", "real/beside", digestOfX},
		{"abs-shortcut", Symlink, "beside", "real/beside", digestOfX},
	} {
		t.Run(tc.path, func(t *testing.T) {
			f, err := Stat(t.Context(), filepath.Join(dir, tc.path), "")
			if err != nil {
				t.Fatal(err)
			}
			for what, pair := range map[string][2]string{
				"kind": {f.Kind, tc.kind}, "first hop": {f.FirstHop, at(dir, tc.hop)},
				"target": {f.Target, at(dir, tc.target)}, "digest": {f.Digest, tc.digest},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s %q, want %q", what, pair[0], pair[1])
				}
			}
			if (f.UID == -1) != (f.Target == "") {
				t.Errorf("uid %d with target %q", f.UID, f.Target)
			}
		})
	}
}

func at(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func TestStatLargeFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		size      int64
		digest    bool
		unbounded bool
	}{
		"at the bound of a unit file": {maxSize, true, true},
		"beyond it":                   {maxSize + 1, true, false},
		"beyond a digest":             {maxDigest + 1, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "big.service")
			put(t, filepath.Dir(path), map[string]string{"big.service": ""})
			if err := os.Truncate(path, tc.size); err != nil {
				t.Fatal(err)
			}
			f, err := Stat(t.Context(), path, "")
			if err != nil || (f.Digest != "") != tc.digest || f.Target != path {
				t.Errorf("digest %q, target %q, error %v", f.Digest, f.Target, err)
			}
			if _, err := Read([]string{path}); (err == nil) != tc.unbounded {
				t.Errorf("read: %v", err)
			}
		})
	}
}

func TestStatChangedLeavesTheStoreOut(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"store/a":      "x",
		"outside":      "x",
		"plain":        "-> " + dir + "/store/a",
		"pretends":     "-> " + dir + "/store/../outside",
		"store/hop":    "-> " + dir + "/outside",
		"out-of-store": "-> " + dir + "/store/hop",
	})
	for name, outside := range map[string]bool{"plain": false, "pretends": true, "out-of-store": true} {
		path := filepath.Join(dir, name)
		before := lchangeTime(t, path)
		if err := os.Chmod(dir+"/outside", 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir+"/store/a", 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Stat(t.Context(), path, dir+"/store")
		if err != nil {
			t.Fatal(err)
		}
		if changed := f.Changed.UnixNano() != before; changed != outside {
			t.Errorf("%s: a later ctime counts: %t, want %t", name, changed, outside)
		}
	}
}

func lchangeTime(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return ctime(info).UnixNano()
}

// TestStatUnreadable: what the account may not read is not an error, for one
// such file would hide all others.
func TestStatUnreadable(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"shut": "x", "closed/inside": "x", "into-closed": "-> closed/inside"})
	for name, mode := range map[string]os.FileMode{"shut": 0, "closed": 0} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	asNobody(t, func() {
		for _, name := range []string{"shut", "into-closed"} {
			f, err := Stat(t.Context(), filepath.Join(dir, name), "")
			if err != nil || f.Digest != "" || f.Target == "" {
				t.Errorf("%s: digest %q, target %q, error %v", name, f.Digest, f.Target, err)
			}
		}
	})
}

// asNobody runs f without root's right to read everything, where this is root.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	// The test's own folder is one that only root may enter.
	if err := os.Chmod(filepath.Dir(t.TempDir()), 0o755); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, uid := range []uintptr{65534, 0} {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, uid, 0, 0); errno != 0 {
			t.Fatal("setfsuid: ", errno)
		}
		if uid != 0 {
			f()
		}
	}
}

func TestStatEndsWithItsContext(t *testing.T) {
	ctx, cancel := contextCanceled(t)
	cancel()
	if _, err := Stat(ctx, "/", ""); err == nil {
		t.Error("no error")
	}
}
