// Command apply applies and verifies the stacks of testdata/foreign/compose on Debian 12 and
// 13, each by a unit of its own that calls stackctl, first with the installed podman-compose
// and then with stackctl's engine, and stops them. It prints what does not end as the corpus
// says, and counts:
//
//	go run ./lab/foreign/composes/apply [NAME…]
//
// It needs what lab/machine needs, and took 34 minutes on two cores that others used as well.
// Of 123 stacks there were applied and verified, before the last faults that it found were
// mended: on Debian 12 98 with podman-compose 1.0.3 (22 refused by preflight, 3 failed) and
// 117 with the engine (6 failed); on Debian 13 109 with podman-compose 1.3.0 (9 refused, 5
// failed) and 117 with the engine (6 failed). Each failure was a wrong entry of the corpus, or
// is refused by preflight or applied since.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sync/errgroup"

	"stackpolicy/lab/foreign/composes"
	"stackpolicy/lab/machine"
)

const (
	corpus  = "testdata/foreign/compose"
	atOnce  = 3 // stacks of one machine
	limit   = time.Hour
	folder  = machine.Home + "/stacks"
	program = "engine"
)

// notHere are entries that no container of a machine of the lab can run, and why.
var notHere = map[string]string{
	"cgroup-parent": "no delegated controllers", "cpuset": "no delegated controllers",
	"deploy-limits": "no delegated controllers", "deploy-pids": "no delegated controllers",
	"mem-limit": "no delegated controllers", "memswap-limit": "no delegated controllers",
	"pids-limit": "no delegated controllers", "oom": "may not be raised there",
	"gpus": "no GPU", "gpu-reservation": "no GPU", "storage-opt": "the file system has no quota",
	"device-cgroup": "no delegated controllers", "build-ssh": "the key is none",
	"podman-network-pasta": "no way out", "podman-x-service": "one id is not enough for the image",
	"models": "no model", "service-provider": "no such program", "build-no-dockerfile": "refused by preflight",
}

// notByEngine are entries that preflight refuses for the engine.
var notByEngine = []string{"links-alias", "secrets-external", "volumes-image"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ctx, cancel := context.WithTimeout(ctx, limit)
	err := run(ctx, os.Args[1:])
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "apply:", err)
		os.Exit(1)
	}
}

// stack is one entry of the corpus that loads.
type stack struct {
	name  string
	files *txtar.Archive
	want  string
}

func run(ctx context.Context, names []string) error {
	stacks, err := read(names)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "stackpolicy-apply-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	build := exec.CommandContext(ctx, "go", "build", "-o", dir, "stackpolicy/cmd/stackctl")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build stackctl: %w: %s", err, said)
	}
	var group errgroup.Group
	for _, s := range composes.Suites {
		group.Go(func() error { return on(ctx, s.Suite, s.Provider, filepath.Join(dir, "stackctl"), stacks) })
	}
	return group.Wait()
}

func read(names []string) (stacks []stack, err error) {
	files, err := filepath.Glob(corpus + "/*.txtar")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s has %d files: run this in the repository (%w)", corpus, len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		archive, err := txtar.ParseFile(file)
		if err != nil {
			return nil, err
		}
		s := stack{name, archive, string(archive.Files[len(archive.Files)-1].Data)}
		isAsked := len(names) == 0 && notHere[name] == "" || slices.Contains(names, name)
		if isAsked && !strings.HasPrefix(s.want, "loader refuses") {
			stacks = append(stacks, s)
		}
	}
	return stacks, nil
}

// on does all stacks on one system.
func on(ctx context.Context, suite, provider, stackctl string, stacks []stack) (err error) {
	m, err := machine.Boot(ctx, machine.Options{Suite: suite})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Stop()) }()
	if _, err := m.Install(stackctl); err != nil {
		return err
	}
	if err := m.Image(ctx, machine.Image{Name: "localhost/app:1"}); err != nil {
		return err
	}
	if out, err := m.Command(ctx, "sh", "-c", "printf s3cret | podman secret create t -").CombinedOutput(); err != nil {
		return fmt.Errorf("make a secret: %w: %s", err, out)
	}
	for _, by := range []string{provider, program} {
		if err := all(ctx, m, suite, by, stacks); err != nil {
			return err
		}
	}
	return nil
}

func all(ctx context.Context, m *machine.Machine, suite, by string, stacks []stack) error {
	if err := write(ctx, m, by, stacks); err != nil {
		return err
	}
	begin := time.Now()
	said := make([]string, len(stacks))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, s := range stacks {
		group.Go(func() error {
			said[i] = apply(ctx, m, s.name)
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	verified, refused := 0, 0
	for i, s := range stacks {
		mayRun := by == program && !slices.Contains(notByEngine, s.name) || strings.Contains(s.want, strings.TrimPrefix(by, "podman-compose ")+" runs what stackctl gives it")
		switch {
		case said[i] == "":
			verified++
		case strings.HasPrefix(said[i], "preflight 20 "):
			refused++
		}
		if (said[i] == "") != mayRun || said[i] != "" && !strings.HasPrefix(said[i], "preflight 20 ") {
			fmt.Printf("%s, %s: %s: %s\n", suite, by, s.name, said[i])
		}
	}
	fmt.Printf("%s, %s: %d stacks: %d applied and verified, %d refused by preflight, %d else; %v\n",
		suite, by, len(stacks), verified, refused, len(stacks)-verified-refused, time.Since(begin).Round(time.Second))
	return nil
}

const unit = `[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=3min
ExecStartPre=/usr/local/bin/stackctl preflight %[1]s
ExecStart=/usr/local/bin/stackctl apply %[1]s
ExecStartPost=/usr/local/bin/stackctl verify %[1]s
ExecStop=/usr/local/bin/stackctl down %[1]s
`

// write lays out the stacks, their configuration and their units.
func write(ctx context.Context, m *machine.Machine, by string, stacks []stack) error {
	config := "stacks:\n"
	for _, s := range stacks {
		for _, file := range s.files.Files {
			if err := m.Write(filepath.Join(folder, s.name, file.Name), string(file.Data)); err != nil {
				return err
			}
		}
		config += fmt.Sprintf("  %s:\n    compose: [%s/%s/compose.yaml]\n    apply: {timeout: 90s}\n    verify: {timeout: 40s, settle: 500ms}\n", s.name, folder, s.name)
		if by != program {
			config += "    provider: [podman-compose]\n"
		}
		if err := m.Write(machine.Home+"/.config/systemd/user/"+s.name+".service", fmt.Sprintf(unit, s.name)); err != nil {
			return err
		}
	}
	if err := m.Write(machine.Home+"/.config/stackpolicy/config.yaml", config); err != nil {
		return err
	}
	if out, err := m.Command(ctx, "sh", "-c", "chmod 600 stacks/*/token.txt; systemctl --user daemon-reload").CombinedOutput(); err != nil {
		return fmt.Errorf("read the units: %w: %s", err, out)
	}
	return nil
}

// script starts the unit, says how the verb that failed ended, stops the unit, and removes what
// is left.
const script = `systemctl --user start "$1.service" >/dev/null 2>&1 || {
journalctl --user -q -o json -n 1 STACKPOLICY_STACK="$1" | jq -r '"\(.STACKPOLICY_VERB) \(.STACKPOLICY_STATUS) \(.MESSAGE)"' | head -c 1500
}
systemctl --user stop "$1.service"
[ -z "$(podman ps -q --filter "label=com.docker.compose.project=$1")" ] || echo "still runs after the stop"
podman ps -aq --filter "label=com.docker.compose.project=$1" | xargs -r podman rm -f -t 0 >/dev/null 2>&1
podman pod rm -f "pod_$1" >/dev/null 2>&1
podman network ls -q --filter "label=com.docker.compose.project=$1" | xargs -r podman network rm >/dev/null 2>&1
podman volume ls -q --filter "label=com.docker.compose.project=$1" | xargs -r podman volume rm >/dev/null 2>&1
true`

// apply returns how a stack failed, or "".
func apply(ctx context.Context, m *machine.Machine, name string) string {
	out, err := m.Command(ctx, "sh", "-c", script, "sh", name).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}
