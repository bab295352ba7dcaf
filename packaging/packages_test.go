package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// commitDate is the date of the commit that the tests build.
var commitDate = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// sh runs a command of the test and returns its output.
func sh(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir = dir
	date := commitDate.Format(time.RFC3339)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date,
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@invalid", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@invalid")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// committed copies the project with its uncommitted changes, commits the copy, and
// returns its folder.
func committed(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "project")
	for name := range strings.SplitSeq(sh(t, "..", "git", "ls-files", "-zco", "--exclude-standard"), "\x00") {
		data, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			continue // deleted, or a link to a folder
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sh(t, dir, "git", "init", "-q")
	sh(t, dir, "git", "add", "-A")
	sh(t, dir, "git", "commit", "-qm", "as it is")
	return dir
}

// pack builds the packages and returns them by the suffix of their names.
func pack(t *testing.T, source string) map[string]string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "dist")
	if err := run(t.Context(), source, out, runtime.GOARCH, "", io.Discard); err != nil {
		t.Fatal(err)
	}
	products := map[string]string{}
	for _, end := range []string{".deb", ".rpm", ".pkg.tar.zst", ".tar.gz", "SHA256SUMS"} {
		found, err := filepath.Glob(filepath.Join(out, "*"+end))
		if err != nil || len(found) != 1 {
			t.Fatalf("%d files end in %s: %v", len(found), end, err)
		}
		products[end] = found[0]
	}
	return products
}

// TestPackages builds the packages, checks their content, builds them elsewhere, and
// installs them on whole machines.
func TestPackages(t *testing.T) {
	if testing.Short() {
		t.Skip("building the packages takes a minute")
	}
	source := committed(t)
	products := pack(t, source)
	t.Run("hold what they should", func(t *testing.T) { checkContent(t, products) })
	t.Run("for other distributions", func(t *testing.T) { checkOthers(t, products) })
	t.Run("are reproducible", func(t *testing.T) { checkReproducible(t, source, products) })
	t.Run("install", func(t *testing.T) { checkInstalls(t, products[".deb"]) })
}

// checkReproducible builds the same commit in another folder, time zone and
// umask, with other flags in the environment.
func checkReproducible(t *testing.T, source string, products map[string]string) {
	elsewhere := filepath.Join(t.TempDir(), "another", "place")
	sh(t, source, "git", "clone", "-q", source, elsewhere)
	t.Setenv("TZ", "Asia/Tokyo")
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	t.Setenv("GOFLAGS", "-buildvcs=false")
	t.Setenv("CGO_ENABLED", "1")
	defer syscall.Umask(syscall.Umask(0o077))
	again := pack(t, elsewhere)
	for end, first := range products {
		if filepath.Base(first) != filepath.Base(again[end]) {
			t.Errorf("%s is %s the second time", first, again[end])
		}
		if !bytes.Equal(mustRead(t, first), mustRead(t, again[end])) {
			t.Errorf("%s has other bytes the second time", filepath.Base(first))
		}
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// checkContent checks that every kind of file is there, with the right mode.
func checkContent(t *testing.T, products map[string]string) {
	members := unAr(t, mustRead(t, products[".deb"]))
	data := untar(t, members["data.tar.gz"])
	if string(members["debian-binary"]) != "2.0\n" {
		t.Errorf("debian-binary is %q", members["debian-binary"])
	}
	for _, name := range []string{"bin/stackpolicy", "bin/stackctl", "bin/stackfleet", "libexec/stackpolicy/stackdrill", "lib/systemd/user/stackpolicy-audit.timer", "lib/systemd/catalog/stackpolicy.catalog",
		"share/man/man1/stackpolicy.1.gz", "share/man/man1/stackctl.1.gz", "share/man/man1/stackfleet.1.gz", "share/bash-completion/completions/stackctl",
		"share/fish/vendor_completions.d/stackpolicy.fish", "share/zsh/vendor-completions/_stackpolicy",
		"share/doc/stackpolicy/docs/stackctl.md", "share/doc/stackpolicy/changelog.gz"} {
		if len(data["./usr/"+name]) == 0 {
			t.Errorf("the Debian package lacks %s", name)
		}
	}
	for _, name := range []string{"stackpolicy-audit", "stackpolicy-alerts", "stackpolicy-report", "stackpolicy-watch"} {
		unit := string(data["./usr/lib/systemd/user/"+name+".service"])
		if !strings.Contains(unit, "\nExecStart=/usr/bin/stackpolicy ") || strings.Contains(unit, ".local/bin") {
			t.Errorf("%s.service:\n%s", name, unit)
		}
	}
	if c := string(data["./usr/share/doc/stackpolicy/copyright"]); !strings.Contains(c, "\ngithub.com/open-policy-agent/opa v") || !strings.Contains(c, "\nGo\n==\n") ||
		!strings.HasPrefix(c, "stackpolicy\n") || !strings.Contains(c, "Copyright 2026 The stackpolicy authors") {
		t.Errorf("copyright lacks OPA or Go: %.200s", c)
	}
	program, err := elf.NewFile(bytes.NewReader(data["./usr/bin/stackpolicy"]))
	if err != nil || program.Section(".interp") != nil {
		t.Errorf("the program is not static: %v", err)
	}
	checkVersion(t, data["./usr/bin/stackpolicy"], strings.TrimSuffix(filepath.Base(products[".tar.gz"]), "-linux-"+runtime.GOARCH+".tar.gz"))
	if control := string(untar(t, members["control.tar.gz"])["./control"]); !strings.Contains(control, "\nVersion: 0.0.0~20260102030405~") ||
		strings.Contains(control, "-1\n") || !strings.Contains(control, " stacks\n stackpolicy takes") {
		t.Errorf("control:\n%s", control)
	}
	checkLinks(t, data)
	checkLinks(t, untar(t, mustRead(t, products[".tar.gz"])))
	checkPages(t, data)
}

// checkVersion: the program has the version that the names of the packages have.
func checkVersion(t *testing.T, program []byte, name string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stackpolicy")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, want := sh(t, ".", path, "--version"), strings.Replace(name, "-", " ", 1)+"\n"; got != want {
		t.Errorf("--version is %q, want %q", got, want)
	}
}

// checkOthers reads the packages for rpm and Arch Linux with the tools that Debian
// has for them.
func checkOthers(t *testing.T, products map[string]string) {
	for end, tool := range map[string][]string{
		".rpm":         {"rpm", "-qlp", "--nosignature"},
		".pkg.tar.zst": {"tar", "--zstd", "-tf"},
	} {
		t.Run(end, func(t *testing.T) {
			for _, needed := range []string{tool[0], "zstd"} {
				if _, err := exec.LookPath(needed); err != nil {
					t.Skipf("no %s here (Debian has it in %s): %v", needed, needed, err)
				}
			}
			list := sh(t, ".", append(tool, products[end])...)
			for _, name := range []string{"bin/stackpolicy", "bin/stackctl", "bin/stackfleet", "libexec/stackpolicy/stackdrill", "lib/systemd/user/stackpolicy-audit.timer",
				"lib/systemd/catalog/stackpolicy.catalog", "share/man/man1/stackctl.1.gz", "share/zsh/site-functions/_stackpolicy",
				"share/licenses/stackpolicy/LICENSES", "share/doc/stackpolicy/docs/stackctl.md"} {
				if !strings.Contains(list, "usr/"+name+"\n") {
					t.Errorf("the package lacks %s", name)
				}
			}
			if strings.Contains(list, "lintian") || strings.Contains(list, "changelog") {
				t.Errorf("the package has files for Debian:\n%s", list)
			}
		})
	}
}

// checkPages: the man pages name every variable that the programs read.
func checkPages(t *testing.T, data map[string][]byte) {
	t.Helper()
	var pages strings.Builder
	for _, p := range programs() {
		z, err := gzip.NewReader(bytes.NewReader(data["./usr/share/man/man1/"+p+".1.gz"]))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&pages, z); err != nil {
			t.Fatal(err)
		}
	}
	read := regexp.MustCompile(`os\.Getenv\("([A-Z_]+)"\)`)
	code := sh(t, "..", "git", "grep", "-hE", `os\.Getenv\("`, "--", "*.go", ":!*_test.go", ":!lab", ":!packaging")
	variables := read.FindAllStringSubmatch(code, -1)
	for _, v := range variables {
		if !strings.Contains(pages.String(), "\n.It Ev "+v[1]+"\n") {
			t.Errorf("no man page names $%s", v[1])
		}
	}
	if len(variables) < 8 {
		t.Errorf("only %d variables are read: %v", len(variables), variables)
	}
}

// unAr reads the ar archive (ar(5)) of a Debian package.
func unAr(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	rest, ok := bytes.CutPrefix(data, []byte("!<arch>\n"))
	members := map[string][]byte{}
	for ok && len(rest) > 60 {
		name := strings.TrimSpace(string(rest[:16]))
		size, err := strconv.Atoi(strings.TrimSpace(string(rest[48:58])))
		if err != nil || string(rest[58:60]) != "`\n" || len(rest) < 60+size {
			t.Fatalf("bad header of %q: %v", name, err)
		}
		members[name] = rest[60 : 60+size]
		rest = rest[min(60+size+size%2, len(rest)):]
	}
	if len(members) != 3 || len(rest) != 0 {
		t.Fatalf("%d members, and %d bytes after them", len(members), len(rest))
	}
	return members
}

// untar reads an archive. Its entries must belong to root, have the commit's date,
// and come after their folder.
func untar(t *testing.T, packed []byte) map[string][]byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files, folders := map[string][]byte{}, map[string]bool{"": true, ".": true} // nfpm writes no entry for the root
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(h.Name, "/")
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(commitDate) || h.Mode&0o022 != 0 || !folders[name[:max(strings.LastIndex(name, "/"), 0)]] {
			t.Errorf("%s: owner %d:%d, mode %o, date %s", h.Name, h.Uid, h.Gid, h.Mode, h.ModTime)
		}
		if h.Typeflag == tar.TypeDir {
			folders[name] = true
			continue
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnknownArchitecture(t *testing.T) {
	err := run(context.Background(), "..", t.TempDir(), "pdp11", "", io.Discard)
	if err == nil || err.Error() != `unknown architecture "pdp11"; known: amd64, arm64` {
		t.Errorf("got %v", err)
	}
}

func TestPlainVersion(t *testing.T) {
	for version, want := range map[string]string{
		"1.2.0": "1.2.0", "1.2.0-rc.1": "1.2.0~rc.1", "0.0.0-20260102030405-abc+dirty": "0.0.0~20260102030405~abc+dirty",
	} {
		if got := (&built{version: version}).plainVersion(); got != want {
			t.Errorf("%s is %s, want %s", version, got, want)
		}
	}
}

func TestDate(t *testing.T) {
	cases := map[string]struct {
		epoch, commit string
		want          int64
		fails         bool
	}{
		"the commit's":      {"", "1970-01-02T00:00:00Z", 86400, false},
		"the environment's": {"7", "1970-01-02T00:00:00Z", 7, false},
		"not a number":      {"today", "1970-01-02T00:00:00Z", 0, true},
		"no date":           {"", "yesterday", 0, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := &built{}
			if err := b.dateBy(c.epoch, c.commit); (err != nil) != c.fails || err == nil && b.date.Unix() != c.want {
				t.Errorf("%d, %v", b.date.Unix(), err)
			}
		})
	}
}

// TestLegalTexts: licence files are found in upper and lower case, but not code with a
// similar name.
func TestLegalTexts(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"LICENSE": "one", "notice.txt": "two", "licenses.go": "no", "README": "no"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := legalTexts(dir); err != nil || got != "one\n\ntwo\n" {
		t.Errorf("got %q, %v", got, err)
	}
}
