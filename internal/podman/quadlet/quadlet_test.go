package quadlet

import (
	"context"
	"os"
	"path/filepath"
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

// crashing ends as the generator of podman 5.4 does on Mount=type=volume: before it came to
// the other files.
const crashing = `
for f in "${QUADLET_UNIT_DIRS:-FOLDER}"/*.container; do
  echo "quadlet-generator[1]: Loading source unit file $f" >&2
done
if grep -q type=volume "${QUADLET_UNIT_DIRS:-FOLDER}"/*.container; then
  printf 'panic: runtime error: index out of range [0] with length 0\n\ngoroutine 1 [running]:\n' >&2
  exit 2
fi
`

// A file on which the generator crashes is named. The others become no units either.
func TestACrash(t *testing.T) {
	dir := t.TempDir()
	fine, crash := filepath.Join(dir, "a.container"), filepath.Join(dir, "b.container")
	for path, text := range map[string]string{fine: "Image=x", crash: "Mount=type=volume"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := simulated(t, strings.ReplaceAll(crashing, "FOLDER", dir))
	got, err := g.Refusals(t.Context(), []string{fine, crash})
	if err != nil {
		t.Fatal(err)
	}
	why := "podman's generator crashes (panic: runtime error: index out of range [0] with length 0), so that no quadlet becomes a unit"
	if d := cmp.Diff(map[string]Refusal{crash: {crash, why}, fine: {crash, why}}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	got, err = simulated(t, "kill -SEGV $$").Refusals(t.Context(), []string{fine})
	if err != nil || got[fine].Cause != "" || !strings.HasPrefix(got[fine].Reason, "podman's generator crashes (signal: segmentation fault") {
		t.Errorf("killed by a signal: %v, %v", got, err)
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
