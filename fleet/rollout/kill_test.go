package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"stackpolicy/decide/policy"
	"stackpolicy/fleet/release"
)

// killed says what a process does that is killed before one of its changes on disk.
type killed struct {
	Dir, Public, Do string
	At              int // the change before which it is killed, from 1
	Now             time.Time
	Root            []byte
}

const killVariable = "STACKPOLICY_TEST_KILLED"

func TestMain(m *testing.M) {
	if text, wanted := os.LookupEnv(killVariable); wanted {
		var k killed
		err := json.Unmarshal([]byte(text), &k)
		if err == nil {
			err = k.run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func (k killed) run() error {
	w := world{repository: release.At(filepath.Dir(k.Public)), now: k.Now, host: k.host()}
	steps := 0
	w.host.step = func(what string) error {
		if steps++; steps == k.At {
			fmt.Println(what)
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	}
	return k.do(&w)
}

func (k killed) host() Host {
	return Host{
		Dir: k.Dir, Source: worldSource, Labels: map[string]string{"role": "canary"}, Channel: "stable", Program: "1.4.0", Root: k.Root,
		Check: func(context.Context, policy.Source) error { return nil },
	}
}

func (k killed) do(w *world) error {
	if k.Do == "pull" {
		return w.pull()
	}
	o := Observed{}
	if k.Do == "fail" {
		o.Errors = []string{"unit_not_failed"}
	}
	active, err := w.host.Active()
	if err != nil {
		return err
	}
	candidate, err := w.host.Candidate()
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	decided, shadow := o, o
	if active != nil {
		decided.Version = active.Plan.Version
	}
	if candidate != nil {
		shadow.Version = candidate.Plan.Version
	}
	_, err = w.host.Record(shadow, decided, w.now)
	return err
}

// TestKilledAtEveryStep: a process is killed (SIGKILL) before every single change on disk of a
// pull, of a change to a release and of going back. Each time exactly one whole release is
// active, the one before or the one after, and the next process gets to the same end as if
// nothing had happened.
func TestKilledAtEveryStep(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, w *world)
		do      string
		may     []int64 // versions that may be active after the kill
		end     int64
	}{
		{"the first pull", func(t *testing.T, w *world) { w.publish(t, quick) }, "pull", []int64{0}, 0},
		{"the first change", func(t *testing.T, w *world) { w.publish(t, quick); w.mustPull(t) }, "audit", []int64{0, 1}, 1},
		{"a pull", func(t *testing.T, w *world) { w.second(t); w.publish(t, quick) }, "pull", []int64{2}, 2},
		{"a change", func(t *testing.T, w *world) { w.second(t); w.publish(t, quick); w.mustPull(t) }, "audit", []int64{2, 3}, 3},
		{"going back", func(t *testing.T, w *world) { w.second(t); w.publish(t, quick); w.mustPull(t); w.audit(t, good) }, "fail", []int64{2, 3}, 2},
		{"going back to none", func(t *testing.T, w *world) { w.publish(t, quick); w.mustPull(t); w.audit(t, good) }, "fail", []int64{0, 1}, 0},
		{"a failure in shadow", func(t *testing.T, w *world) { w.second(t); w.publish(t, quick); w.mustPull(t) }, "fail", []int64{2}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.prepare(t, w)
			steps := 0
			for at := 1; ; at++ {
				if at > 200 {
					t.Fatal("it never ends")
				}
				k := killed{Dir: filepath.Join(t.TempDir(), "release"), Public: w.repository.Public(), Do: c.do, At: at, Now: w.now.Add(time.Hour), Root: w.host.Root}
				copyHost(t, w.host.Dir, k.Dir)
				what, wasKilled := start(t, k)
				survivor := world{repository: w.repository, now: k.Now, host: k.host()}
				if v := survivor.active(t); wasKilled && !slices.Contains(c.may, v) {
					t.Fatalf("killed before %q: active is %d, want one of %v", what, v, c.may)
				}
				if err := k.do(&survivor); err != nil {
					t.Fatalf("after a kill before %q: %v", what, err)
				}
				if v := survivor.active(t); v != c.end {
					t.Fatalf("after a kill before %q the end is %d, want %d", what, v, c.end)
				}
				if !wasKilled {
					break
				}
				steps++
			}
			if steps < 1 {
				t.Errorf("no step was killed")
			}
			t.Logf("killed at each of %d steps", steps)
		})
	}
}

// second brings the host to release 2, whose trial is over.
func (w *world) second(t *testing.T) {
	t.Helper()
	for range 2 {
		w.publish(t, quick)
		w.mustPull(t)
		w.audit(t, good)
		w.audit(t, good)
	}
}

func copyHost(t *testing.T, from, to string) {
	t.Helper()
	if _, err := os.Stat(from); err != nil {
		return
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// start runs the process. It returns before what it was killed.
func start(t *testing.T, k killed) (what string, wasKilled bool) {
	t.Helper()
	text, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killVariable+"="+string(text))
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "", false
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		return string(out), true
	}
	if exit != nil {
		t.Log(string(exit.Stderr))
	}
	t.Fatal(err)
	return "", false
}
