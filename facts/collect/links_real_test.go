package collect_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/facts"
	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

const oneshot = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"

// pulled has units, each of which another unit pulls in, in different ways. Only
// main.target and its alias use links that this test removes.
var pulled = map[string]string{
	"media.slice":                        "[Slice]\n",
	"sliced.service":                     oneshot + "Slice=media.slice\n",
	"spec.service":                       "[Unit]\nWants=%N-db.service h@.service\n" + oneshot,
	"spec-db.service":                    oneshot,
	"h@.service":                         oneshot,
	"inst@.service":                      "[Unit]\nWants=i@%i.service\nRequires=host@%H.service\n" + oneshot,
	"i@.service":                         oneshot,
	"host@.service":                      oneshot,
	"reset.service":                      "[Unit]\nWants=after-reset.service\nWants=\n" + oneshot,
	"after-reset.service":                oneshot,
	"sock.socket":                        "[Socket]\nListenStream=%t/sock\n",
	"sock.service":                       "[Service]\nType=simple\nExecStart=/bin/sleep 600\nSockets=sock.socket\n",
	"byname.target.wants/tpl@.service":   "-> ../tpl@.service",
	"byname.target":                      "[Unit]\n",
	"tpl@.service":                       oneshot,
	"pre-fix.target":                     "[Unit]\n",
	"pre-.target.wants/prefixed.service": "-> ../prefixed.service",
	"prefixed.service":                   oneshot,
	"main.target":                        "[Unit]\n",
	"main.target.wants/real.service":     "-> ../real.service",
	"real.service":                       oneshot,
	"aliased.service":                    oneshot,
	"nofile.service":                     "[Unit]\nAfter=none.target\n" + oneshot,
	"none.target.wants/nofile.service":   "-> ../nofile.service",
	"masked.service":                     oneshot,
	"main.target.wants/masked.service":   "-> /dev/null",
	"plain.service":                      oneshot,
}

// started are the units that run during the test.
var started = []string{
	"sliced.service", "spec.service", "inst@one.service", "reset.service", "sock.service", "byname.target", "pre-fix.target",
	"main.target", "nofile.service", "masked.service", "plain.service",
}

// quadletLike is a generator that works like podman's for a source with [Install]: it
// writes a unit, and a link that pulls it in.
const quadletLike = `#!/bin/sh
mkdir -p "$1/default.target.wants"
printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\nSlice=media.slice\n' >"$1/made.service"
ln -sf ../made.service "$1/default.target.wants/made.service"
`

// TestOnlyLinksAreGone: if a folder of links changed since the load, as those of
// generators always have, there is no finding for units whose dependencies come from
// elsewhere. A reload would not help them, so the heal would be requested again and again.
func TestOnlyLinksAreGone(t *testing.T) {
	program := buildProgram(t)
	systems.Each(t, func(t *testing.T, options usermanager.Options) {
		declared := map[string]string{}
		for name, text := range pulled {
			declared[filepath.Join(scene.UnitDir, name)] = text
		}
		s, err := scene.Open(t.Context(), program, options, declared)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		onlyLinksAreGone(t, s)
	})
}

func onlyLinksAreGone(t *testing.T, s *scene.Scene) {
	t.Helper()
	generators := s.Path("/etc/systemd/user-generators")
	do(t, errors.Join(os.MkdirAll(generators, 0o755), os.WriteFile(generators+"/quadlet-like", []byte(quadletLike), 0o755)))
	do(t, s.Write(s.Unit("main.target.wants/plain.service"), "this is no link"))
	do(t, s.Link("main.target", s.Unit("also.target")))
	do(t, s.Link("../aliased.service", s.Unit("also.target.wants/aliased.service")))
	reload(t, s)
	_, err := s.Systemctl(t.Context(), append([]string{"start", "made.service"}, started...)...)
	do(t, err)
	if d := cmp.Diff(accused{}, lookAtLinks(t, s)); d != "" {
		t.Errorf("right after a reload: -want +got\n%s", d)
	}

	do(t, s.Write(s.Unit("note.txt"), "a write into the unit folder"))
	for name := range pulled {
		if filepath.Dir(name) != "." {
			do(t, s.Write(s.Unit(filepath.Dir(name)+"/note.txt"), "and into each folder of links"))
		}
	}
	if d := cmp.Diff(accused{}, lookAtLinks(t, s)); d != "" {
		t.Errorf("after the folders changed: -want +got\n%s", d)
	}

	do(t, errors.Join(os.Remove(s.Unit("main.target.wants/real.service")), os.Remove(s.Unit("also.target.wants/aliased.service"))))
	want := accused{"real.service": {"gone main.target"}, "aliased.service": {"gone main.target"}}
	if d := cmp.Diff(want, lookAtLinks(t, s)); d != "" {
		t.Errorf("after two links were removed: -want +got\n%s", d)
	}
	do(t, s.Link("../spec.service", s.Unit("main.target.wants/spec.service")))
	want["spec.service"] = []string{"unread main.target"}
	if d := cmp.Diff(want, lookAtLinks(t, s)); d != "" {
		t.Errorf("after a link was added: -want +got\n%s", d)
	}

	reload(t, s)
	if d := cmp.Diff(accused{}, lookAtLinks(t, s)); d != "" {
		t.Errorf("after the last reload: -want +got\n%s", d)
	}
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func reload(t *testing.T, s *scene.Scene) {
	t.Helper()
	time.Sleep(scene.ClockTick)
	_, err := s.Systemctl(t.Context(), "daemon-reload")
	do(t, err)
}

// accused returns the units whose links are unread or gone.
type accused map[string][]string

func lookAtLinks(t *testing.T, s *scene.Scene) accused {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := s.Stackpolicy(ctx, "facts")
	var doc facts.Document
	if err := json.Unmarshal([]byte(r.Out), &doc); err != nil {
		t.Fatalf("status %d: %v\n%s", r.Code, err, r.Err)
	}
	seen, got := map[string]bool{}, accused{}
	for _, u := range doc.Units {
		if u.Loaded == nil {
			continue
		}
		seen[u.Name] = u.Loaded.LoadState == "loaded"
		for _, owner := range u.Loaded.LinksUnread {
			got[u.Name] = append(got[u.Name], "unread "+owner)
		}
		for _, owner := range u.Loaded.LinksGone {
			got[u.Name] = append(got[u.Name], "gone "+owner)
		}
	}
	for name := range maps.Keys(pulled) {
		if filepath.Dir(name) == "." && !slices.Contains([]string{"h@.service", "i@.service", "host@.service", "inst@.service", "tpl@.service"}, name) && !seen[name] {
			t.Errorf("%s is not loaded, so nothing was compared", name)
		}
	}
	return got
}
