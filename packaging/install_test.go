package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/machine"
)

const (
	inMachine = "/root/stackpolicy.deb"
	pageID    = "9260a5200a3549edbe4d441250ac0faa" // of an alert, in the catalog
	webUnit   = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c :\n"
)

// checkInstalls installs the package on a machine of each suite, sets the audit
// up for the user as `stackpolicy init` says, and purges it again.
func checkInstalls(t *testing.T, deb string) {
	for _, suite := range []string{debian.Trixie, debian.Bookworm} {
		t.Run(suite, func(t *testing.T) {
			options := machine.Options{Suite: suite}
			if err := machine.Available(options); err != nil {
				t.Skip("no machine can be booted here: ", err)
			}
			m, err := machine.Boot(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := m.Stop(); err != nil {
					t.Error(err)
				}
			})
			h := host{t, m}
			h.install(deb)
		})
	}
}

type host struct {
	t *testing.T
	*machine.Machine
}

// root and user run a shell line, which must succeed.
func (h host) root(line string) string {
	h.t.Helper()
	return h.do(h.RootCommand(h.t.Context(), "sh", "-ec", line))
}

func (h host) user(line string) string {
	h.t.Helper()
	return h.do(h.Command(h.t.Context(), "sh", "-ec", line))
}

func (h host) do(cmd *exec.Cmd) string {
	h.t.Helper()
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s%s", cmd.Args[len(cmd.Args)-1], err, out, errs.String())
	}
	return string(out)
}

func (h host) install(deb string) {
	const list = "find /usr /etc -xdev | sort"
	before := h.root(list)
	if err := h.Inside(func() error { return os.MkdirAll("/root", 0o700) }); err != nil {
		h.t.Fatal(err)
	}
	copied := h.RootCommand(h.t.Context(), "sh", "-c", "cat >"+inMachine)
	in, err := os.Open(deb)
	if err != nil {
		h.t.Fatal(err)
	}
	defer in.Close()
	copied.Stdin = in
	h.do(copied)
	h.root("dpkg --install " + inMachine + " && dpkg --verify stackpolicy")
	if out := h.root("journalctl --dump-catalog " + pageID); !strings.Contains(out, "needs somebody now") {
		h.t.Errorf("the catalog was not taken up: %s", out)
	}
	h.setUp()
	h.root("dpkg --purge stackpolicy")
	if after := h.root(list); after != before {
		h.t.Errorf("the purge left, or took, something:\n%s", difference(before, after))
	}
	if out := h.root("journalctl --dump-catalog " + pageID + " 2>&1 || true"); strings.Contains(out, "needs somebody now") {
		h.t.Error("the catalog still has the package's entries")
	}
}

// setUp runs the commands that init prints, and checks that the audit runs and finds
// nothing.
func (h host) setUp() {
	if err := h.Write(machine.Home+"/.config/systemd/user/web.service", webUnit); err != nil {
		h.t.Fatal(err)
	}
	out := h.user("stackpolicy init --write")
	if !strings.Contains(out, "The units are installed in /usr/lib/systemd/user.\n") {
		h.t.Errorf("init does not know of the package's units:\n%s", out)
	}
	_, next, _ := strings.Cut(out, "\nNext:\n")
	steps := 0
	for line := range strings.Lines(next) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "systemctl ") {
			h.user(line)
			steps++
		}
	}
	if steps != 1 {
		h.t.Errorf("%d steps of systemctl in:\n%s", steps, out)
	}
	h.user("systemctl --user start web.service stackpolicy-audit.service stackpolicy-report.service")
	h.user("stackpolicy eval && stackpolicy status && stackctl --help")
	if state := h.user("systemctl --user is-active stackpolicy-audit.timer stackpolicy-audit.path"); state != "active\nactive\n" {
		h.t.Errorf("timer and path unit are %q", state)
	}
	h.user("systemctl --user disable --now stackpolicy-audit.timer stackpolicy-report.timer stackpolicy-audit.path stackpolicy-audit-subfolders.path")
}

// difference names the lines that only one of two lists has.
func difference(before, after string) string {
	var out strings.Builder
	for _, side := range []struct{ sign, of, other string }{{"-", before, after}, {"+", after, before}} {
		for line := range strings.Lines(side.of) {
			if !strings.Contains("\n"+side.other, "\n"+line) {
				out.WriteString(side.sign + line)
			}
		}
	}
	return out.String()
}
