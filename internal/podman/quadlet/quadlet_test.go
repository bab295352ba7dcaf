package quadlet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// said are messages of podman 5.4.2 and, where they differ, of 4.4.
const said = `quadlet-generator[24349]: Loading source unit file /q/good.container
quadlet-generator[24349]: Loading source unit file /q/bad.container
quadlet-generator[24349]: Loading source unit file /q/sub/broken.container
quadlet-generator[24349]: Warning: i.image specifies the image "x" which not a fully qualified image name.
quadlet-generator[24349]: error loading "/q/sub/broken.container", file contains line 1: “garbage” which is not a key-value pair, group, or comment
error loading "/q/sub/gone.container", open /q/sub/gone.container: no such file or directory
converting "bad.container": unsupported key 'NoSuchKey' in group 'Container' in /q/bad.container
converting "my\\x20bad.container": no Image or Rootfs key specified
quadlet-generator[24349]: Error converting 'old.container', ignoring: no Image or Rootfs key specified
`

const made = `---good.service---
[Unit]
SourcePath=/q/good.container

---twice.service---
[Unit]
SourcePath=/run/q/twice.container
`

func TestRefusalsOfAReply(t *testing.T) {
	a := parse(made, said)
	got := a.refusals([]string{
		"/q/good.container", "/q/bad.container", "/q/old.container", "/q/sub/broken.container", "/q/sub/gone.container",
		"/q/sub/fine.container", "/q/twice.container", "/q/silent.container", `/q/my\x20bad.container`,
	})
	const garbage = "file contains line 1: “garbage” which is not a key-value pair, group, or comment"
	want := map[string]Refusal{
		"/q/bad.container":        {"/q/bad.container", "unsupported key 'NoSuchKey' in group 'Container' in /q/bad.container"},
		"/q/old.container":        {"/q/old.container", "no Image or Rootfs key specified"},
		"/q/sub/broken.container": {"/q/sub/broken.container", garbage},
		"/q/sub/gone.container":   {"/q/sub/gone.container", "open /q/sub/gone.container: no such file or directory"},
		"/q/sub/fine.container":   {"/q/sub/broken.container", garbage},
		"/q/twice.container":      {"/q/twice.container", "/run/q/twice.container has the same name and is used in its place"},
		`/q/my\x20bad.container`:  {`/q/my\x20bad.container`, "no Image or Rootfs key specified"},
		"/q/silent.container":     {"", "podman's generator gives no reason"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if a.crash != "" || len(a.read) != 3 {
		t.Errorf("crash %q, read %q", a.crash, a.read)
	}
}

func TestShorten(t *testing.T) {
	if got := shorten(strings.Repeat("ä", maxReason)); len(got) > maxReason+len("…") || !strings.HasSuffix(got, "ä…") {
		t.Errorf("got %q", got)
	}
	if got := shorten("a\xff"); got != "a?" {
		t.Errorf("got %q", got)
	}
}

// simulated is a generator that runs a script.
func simulated(t *testing.T, script string) Generator {
	t.Helper()
	path := filepath.Join(t.TempDir(), "podman-user-generator")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return Generator{Path: path, Env: []string{"PATH=/usr/bin:/bin"}}
}

// crashing ends as the generator of podman 5.4 does on Mount=type=volume: in the order of
// their names, files before become units. It also crashes on left and right together.
const crashing = `
text=
for dir in $(echo "${QUADLET_UNIT_DIRS:-FOLDER}" | tr : ' '); do
  for f in "$dir"/*.container; do echo "quadlet-generator[1]: Loading source unit file $f" >&2; done
done
for dir in $(echo "${QUADLET_UNIT_DIRS:-FOLDER}" | tr : ' '); do
  for f in "$dir"/*.container; do
    text="$text $(cat "$f" "$dir"/container.d/*.conf 2>/dev/null)"
    case $text in
    *type=volume*|*left*right*)
      printf 'panic: runtime error: index out of range [0] with length 0\n\ngoroutine 1 [running]:\n' >&2
      exit 2 ;;
    esac
    printf -- '---x.service---\nSourcePath=%s\n' "$f"
  done
done
`

const crashed = "podman's generator crashes (panic: runtime error: index out of range [0] with length 0), so that no unit is made from this quadlet"

// A file on which the generator crashes is named. Those that it did not come to become no
// units either.
func TestACrash(t *testing.T) {
	const crash, left, right = "Mount=type=volume", "left", "right"
	for name, tc := range map[string]struct {
		texts map[string]string // by file name; others, so that there are 60, crash nothing
		want  map[string]string // file -> cause, of some
	}{
		"one":            {map[string]string{"30.container": crash}, map[string]string{"29.container": "-", "30.container": "30.container", "31.container": "30.container"}},
		"two":            {map[string]string{"30.container": crash, "50.container": crash}, map[string]string{"29.container": "-", "50.container": "30.container", "59.container": "30.container"}},
		"two together":   {map[string]string{"30.container": left, "50.container": right}, map[string]string{"49.container": "-", "50.container": "50.container"}},
		"a drop-in":      {map[string]string{"container.d/1.conf": crash}, map[string]string{"59.container": "00.container"}},
		"in two folders": {map[string]string{"sub/30.container": crash}, map[string]string{"30.container": "-", "sub/30.container": "sub/30.container"}},
	} {
		dir := t.TempDir()
		sources := []string{}
		for i := range 60 {
			sources = append(sources, fmt.Sprintf("%02d.container", i))
		}
		for _, file := range append(slices.Clone(sources), slices.Collect(maps.Keys(tc.texts))...) {
			err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700)
			if err := errors.Join(err, os.WriteFile(filepath.Join(dir, file), []byte(tc.texts[file]), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		for file := range tc.want {
			sources = append(sources, file)
		}
		for i, file := range sources {
			sources[i] = filepath.Join(dir, file)
		}
		g := simulated(t, strings.ReplaceAll(crashing, "FOLDER", dir+":"+dir+"/sub"))
		got, err := g.Refusals(t.Context(), sources)
		if err != nil {
			t.Fatal(err)
		}
		for file, cause := range tc.want {
			want := Refusal{filepath.Join(dir, cause), crashed}
			if cause == "-" {
				want = Refusal{}
			}
			if got[filepath.Join(dir, file)] != want {
				t.Errorf("%s: %s: got %+v, want %+v", name, file, got[filepath.Join(dir, file)], want)
			}
		}
	}
}

// The search takes few runs, and ends where the time does.
func TestACrashThatIsNotFound(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for i := range 120 {
		files = append(files, filepath.Join(dir, fmt.Sprintf("%03d.container", i)))
		if err := os.WriteFile(files[i], []byte("Mount=type=volume"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	count := filepath.Join(t.TempDir(), "count")
	g := simulated(t, "echo >>"+count+"\n"+strings.ReplaceAll(crashing, "FOLDER", dir))
	if got, err := g.Refusals(t.Context(), files); err != nil || got[files[9]].Cause != files[0] || len(got) != len(files) {
		t.Errorf("got %d, %v, %v", len(got), got[files[9]], err)
	}
	if runs, err := os.ReadFile(count); err != nil || len(runs) > 16 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
	slow := simulated(t, "sleep 0.2\n"+strings.ReplaceAll(crashing, "FOLDER", dir))
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	if got, err := slow.Refusals(ctx, files); err == nil && got[files[0]].Cause != "" {
		t.Errorf("a generator that is slow: %v", got[files[0]])
	}
	always := "for f in " + dir + "/*; do echo \"quadlet-generator[1]: Loading source unit file $f\" >&2; done; kill -SEGV $$"
	got, err := simulated(t, always).Refusals(t.Context(), files)
	if err != nil || got[files[0]].Cause != "" || !strings.HasPrefix(got[files[0]].Reason, "podman's generator crashes (signal: segmentation fault") {
		t.Errorf("killed by a signal: %v, %v", got[files[0]], err)
	}
}

// A generator that does not end, or does not start, accepts nothing and refuses nothing.
func TestAGeneratorThatDoesNotAnswer(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		within time.Duration
	}{
		"hangs":       {"sleep 600", 300 * time.Millisecond},
		"writes much": {"exec head -c 9000000 /dev/zero", time.Minute},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), tc.within)
		start := time.Now()
		got, err := simulated(t, tc.script).Refusals(ctx, []string{"/q/good.container"})
		cancel()
		if err == nil || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
	}
	if got, err := (Generator{Path: "/nowhere"}).Refusals(t.Context(), []string{"/q/a.container"}); err == nil || got != nil {
		t.Errorf("not there: %v, %v", got, err)
	}
}
