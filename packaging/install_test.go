package main

import (
	"errors"
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
	h.compose()
	h.setUp()
	if out := h.root("dpkg --dry-run --purge stackpolicy 2>&1 && sh /var/lib/dpkg/info/stackpolicy.prerm upgrade 2>&1"); strings.Contains(out, "still need it") {
		h.t.Errorf("an upgrade warns: %s", out)
	}
	const verify = machine.Home + "/.config/systemd/user/web.service.d/stackpolicy.conf"
	if out := h.root("sh /var/lib/dpkg/info/stackpolicy.prerm remove 2>&1"); !strings.Contains(out, "still need it") || !strings.Contains(out, verify) || !strings.Contains(out, "wants/stackpolicy-audit.timer") {
		h.t.Errorf("no warning of what still calls stackctl: %s", out)
	}
	h.undo()
	if out := h.root("dpkg --purge stackpolicy 2>&1"); strings.Contains(out, "still need it") {
		h.t.Errorf("it warns although nothing is left: %s", out)
	}
	if after := h.root(list); after != before {
		h.t.Errorf("the purge left, or took, something:\n%s", difference(before, after))
	}
	if out := h.root("journalctl --dump-catalog " + pageID + " 2>&1 || true"); strings.Contains(out, "needs somebody now") {
		h.t.Error("the catalog still has the package's entries")
	}
}

// stacks are compose stacks that the user has before the package is installed.
var stacks = []string{"web", "db", "feed"}

// compose starts the stacks as people do who do not know stackpolicy.
func (h host) compose() {
	if err := h.Image(h.t.Context(), machine.Image{Name: "localhost/app:1"}); err != nil {
		h.t.Fatal(err)
	}
	for _, name := range stacks {
		unit := "[Service]\nType=oneshot\nRemainAfterExit=yes\nWorkingDirectory=%h/" + name +
			"\nExecStart=podman-compose up -d\nExecStop=podman-compose down\n[Install]\nWantedBy=default.target\n"
		err := errors.Join(h.Write(machine.Home+"/.config/systemd/user/"+name+".service", unit),
			h.Write(machine.Home+"/"+name+"/compose.yaml", "services: {app: {image: \"localhost/app:1\"}}\n"))
		if err != nil {
			h.t.Fatal(err)
		}
	}
	h.user("systemctl --user daemon-reload && systemctl --user enable --now " + strings.Join(stacks, " "))
}

// undo undoes the set-up, and checks that nothing of it is left, and that the stacks run.
func (h host) undo() {
	h.user("systemctl --user disable --now stackpolicy-audit.timer stackpolicy-report.timer stackpolicy-audit.path stackpolicy-audit-subfolders.path podman.socket")
	out := h.user("stackpolicy init --remove")
	last := strings.TrimSpace(out[strings.LastIndex(out, "\n    "):]) // removes the history
	h.user(last + " && systemctl --user daemon-reload")
	if left := h.user("find .config .local/state -name '*stackpol*' -o -name 'stackctl*'"); left != "" {
		h.t.Errorf("init --remove left %s", left)
	}
	h.user("systemctl --user restart web && podman container exists web_app_1")
}

// firstAudit returns the commands of that section of the README.
func firstAudit(t *testing.T) (commands []string) {
	_, section, _ := strings.Cut(string(mustRead(t, "../README.md")), "\n## The first audit\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			commands = append(commands, strings.TrimSpace(command))
		}
	}
	return commands
}

// setUp runs the commands of the README, of which the last is an audit that finds nothing,
// and checks that init prints the same ones, that the audit runs as a service, and that
// podman does not log the audit's requests.
func (h host) setUp() {
	commands := firstAudit(h.t)
	if len(commands) > 4 {
		h.t.Errorf("with the installation it takes more than five commands to the first audit: %q", commands)
	}
	var out string
	for _, command := range commands {
		if !strings.HasPrefix(command, "sudo loginctl ") { // the machine's user lingers already, and logind knows no login of it
			out += h.user(command)
		}
	}
	for _, want := range []string{"The units are installed in /usr/lib/systemd/user.\n", "\n    " + commands[1] + "\n", "\nOK  "} {
		if !strings.Contains(out, want) {
			h.t.Errorf("%q is not in what the commands print:\n%s", want, out)
		}
	}
	h.user("stackpolicy eval && stackpolicy status && stackctl --help")
	h.user("systemctl --user restart web.service && systemctl --user start stackpolicy-audit.service stackpolicy-report.service")
	if log := h.user("stackpolicy eval >&2 && journalctl --user -b -u podman.service -o cat"); strings.Contains(log, "GET /") {
		h.t.Errorf("podman logs each request:\n%s", log)
	}
	if state := h.user("systemctl --user is-active stackpolicy-audit.timer stackpolicy-audit.path"); state != "active\nactive\n" {
		h.t.Errorf("timer and path unit are %q", state)
	}
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
