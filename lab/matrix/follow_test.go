package matrix

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/policies"
)

// follow INVARIANT SUBJECT CASE [N COMMAND…] does what the steps of a finding say: it runs
// each command that stackpolicy explain prints for it, in order, in the login shell of the
// machine's user. Each must succeed, and the finding must be gone at the end. COMMAND is what
// step N leaves to the person; it runs before the commands of that step.
func follow(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && (len(args) == 3 || len(args) > 4), "follow INVARIANT SUBJECT CASE [N COMMAND…]")
	followed, helped := map[string]bool{}, len(args) == 3
	for {
		found := explained(ts, args[0], args[1], args[2])
		i := slices.IndexFunc(found, func(steps []string) bool { return !followed[strings.Join(steps, "\n")] })
		if i < 0 {
			if len(followed) == 0 || len(found) > 0 || !helped {
				ts.Fatalf("the steps of %d findings were followed, %d such findings are left; COMMAND was run: %v", len(followed), len(found), helped)
			}
			return
		}
		followed[strings.Join(found[i], "\n")] = true
		for n, step := range found[i] {
			if len(args) > 3 && args[3] == strconv.Itoa(n+1) {
				of(ts).step(ts, strings.Join(args[4:], " "))
				helped = true
			}
			for _, command := range commandsIn(step) {
				of(ts).step(ts, command)
			}
		}
	}
}

// step runs one command of a step.
func (s *stage) step(ts *testscript.TestScript, command string) {
	ctx, cancel := limited()
	defer cancel()
	out, err := s.Command(ctx, "bash", "--login", "-c", command).CombinedOutput()
	ts.Logf("[step] %s\n%s", command, out)
	var exit *exec.ExitError
	if errors.As(err, &exit) && onlyLooks(command, exit.ExitCode()) {
		return
	}
	if err != nil {
		ts.Fatalf("step `%s`: %v", command, err)
	}
}

// explained returns the steps of each finding of a case, as stackpolicy explain prints them.
func explained(ts *testscript.TestScript, invariant, subject, name string) [][]string {
	ctx, cancel := limited()
	defer cancel()
	cmd := of(ts).Command(ctx, "stackpolicy", "explain", subject, invariant)
	cmd.Stderr = ts.Stderr()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	return stepsOf(string(out), name)
}

var (
	stepLine     = regexp.MustCompile(`^ {4}\d+\. (.*)$`)
	continuation = regexp.MustCompile(`^ {7,}(\S.*)$`)
)

// stepsOf reads the steps of each finding of a case from what stackpolicy explain prints.
func stepsOf(explanation, name string) (found [][]string) {
	var steps []string
	section := ""
	lines := bufio.NewScanner(strings.NewReader(explanation))
	for lines.Scan() {
		line := lines.Text()
		step, more := stepLine.FindStringSubmatch(line), continuation.FindStringSubmatch(line)
		switch {
		case line != "" && line[0] != ' ':
			steps, section = nil, ""
		case line == "  what to do" || line == "  what changed before it" || line == "  evidence" || line == "  what it checks",
			strings.HasPrefix(line, "  last log lines of "):
			section = strings.TrimSpace(line)
		case section == "what to do" && step != nil:
			steps = append(steps, step[1])
		case section == "what to do" && more != nil && len(steps) > 0:
			steps[len(steps)-1] += " " + more[1]
		case section == "evidence" && line == "    case: "+name:
			found = append(found, steps)
		}
	}
	return found
}

// programs begin the commands in steps. Other texts in backticks are settings to write.
var programs = []string{
	"/usr/lib/systemd/user-generators/podman-user-generator", "LC_ALL=C", "[",
	"case", "cat", "chmod", "cp", "curl", "diff", "export", "grep", "home-manager",
	"journalctl", "ln", "loginctl", "ls", "mv", "namei", "nix", "podman", "readlink", "rm", "stackctl", "stackpolicy", "sudo",
	"systemctl", "systemd-analyze",
}

var (
	inBackticks = regexp.MustCompile("`([^`]+)`( \\(below /etc with sudo\\))?")
	belowEtc    = regexp.MustCompile(` '?/etc/`)
	changing    = regexp.MustCompile(`\b(mv|rm) `)
	program     = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	toFillIn    = regexp.MustCompile(` [A-Z]{2,}$`)
	onNixOS     = regexp.MustCompile(`\(NixOS module: [^)]*\)`)
)

// commandsIn returns the commands of a step, but not those that end with a word in capital
// letters, which the person has to replace. The machine has no NixOS module, unless the
// transcript made its unit, and then nothing else is printed.
func commandsIn(step string) (commands []string) {
	for _, m := range inBackticks.FindAllStringSubmatch(onNixOS.ReplaceAllString(step, ""), -1) {
		command := m[1]
		first, _, _ := strings.Cut(command, " ")
		if !slices.Contains(programs, first) || toFillIn.MatchString(command) {
			continue
		}
		if m[2] != "" && belowEtc.MatchString(command) {
			command = changing.ReplaceAllString(command, "sudo $0")
		}
		commands = append(commands, command)
	}
	return commands
}

// looks are commands that change nothing, with the exit statuses other than 0 that say what
// they saw.
var looks = []struct {
	begin    string
	statuses []int
}{
	{"systemctl --user status ", []int{3, 4}}, // systemctl(1): not active; no such unit
	{"systemctl status ", []int{3, 4}},
	{"systemctl --user is-system-running", []int{1}}, // degraded
	{"systemctl --user is-enabled ", []int{1}},       // disabled
	{"diff ", []int{1}},                              // diff(1): they differ
	{"stackpolicy eval", []int{1, 2, 3}},             // the findings
	{"stackctl status ", []int{40, 41, 42, 43}},      // what is wrong with the stack
	{"stackctl preflight ", []int{12}},               // a file that is needed is missing
	{"systemd-analyze --user verify ", []int{1}},     // what is wrong with the unit
	{"curl ", []int{7}},                              // no connection
}

func onlyLooks(command string, status int) bool {
	for _, l := range looks {
		if strings.HasPrefix(command, l.begin) && slices.Contains(l.statuses, status) {
			return true
		}
	}
	return false
}

func TestStepsOf(t *testing.T) {
	const text = "PAGE      file_declared  web.service\n  it is gone\n  what to do\n    1. Look at the\n       file: `ls a b`\n    2. Mend it: `rm\n       a`\n" +
		"  evidence\n    case: missing\n    path: /a\n  what it checks\n    1. Nothing.\n\nTICKET    file_declared  web.service\n  what to do\n    1. Other.\n  evidence\n    case: other\n"
	want := [][]string{{"Look at the file: `ls a b`", "Mend it: `rm a`"}}
	if diff := cmp.Diff(want, stepsOf(text, "missing")); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestCommandsIn(t *testing.T) {
	for step, want := range map[string][]string{
		"Set `TimeoutStartSec=180`, then `rm /a b`.":                                       {"rm /a b"},
		"Remove it: `rm /etc/a` (below /etc with sudo).":                                   {"sudo rm /etc/a"},
		"Remove it: `rm /home/etc/a` (below /etc with sudo).":                              {"rm /home/etc/a"},
		"Activate: `home-manager switch` (NixOS module: `sudo systemctl restart x`), `ls`": {"home-manager switch", "ls"},
		"Remove it: `[ ! -e /etc/a ] || mv -i /etc/a ~/` (below /etc with sudo).":          {"[ ! -e /etc/a ] || sudo mv -i /etc/a ~/"},
		"To end a job: `systemctl --user cancel NUMBER`":                                   nil,
		"No command": nil,
	} {
		if diff := cmp.Diff(want, commandsIn(step)); diff != "" {
			t.Errorf("%s: commands (-want +got):\n%s", step, diff)
		}
	}
}

// unfollowed are the cases whose steps no transcript follows, and why.
var unfollowed = map[string]string{
	"activation_current other-generation": "the collector calls it half-finished; documents of earlier versions have it",
	"activation_current not-activated":    "it needs Nix",
	"applied_is_current rolled-back":      "the unit would have to ignore that verify failed",
	"audit_timer_active last-run":         "a timer that is masked while it runs is failed after the reload",
	"auto_update_works last-run":          "a timer that is masked while it runs is failed after the reload",
	"auto_update_works not-asked":         "the manager would have to answer for all units but one",
	"containers_labelled unverified":      "the manager would have to answer for all units but one",
	"policy_current damaged":              "it needs a hub with releases",
	"policy_current ended":                "it needs a hub with releases",
	"policy_current expired":              "it needs a hub with releases",
	"policy_current refused":              "it needs a hub with releases",
	"policy_current unreachable":          "it needs a hub with releases",
	"stack_running in-transit":            "it is shown after five minutes",
	"stack_running not-done":              "only stackctl verify reports it",
	"stack_running not-running":           "podman shows the states that are meant for a moment only",
	"stack_running restarted":             "only stackctl verify reports it",
	"stack_running restarting":            "podman shows it for milliseconds",
	"stack_running starting":              "only stackctl verify reports it",
	"storage_survives_reboot inodes":      "podman asks before it removes images",
	"storage_survives_reboot read-only":   "the disk would have to break",
	"storage_survives_reboot runroot":     "only a person can say which line to remove",
	"storage_survives_reboot space":       "podman asks before it removes images",
	"unit_not_failed hangs":               "it is shown after 15 minutes",
	"user_manager_running maintenance":    "a user manager has no rescue state",
	"user_manager_running other":          "no manager has such a state",
	"user_manager_running other-folder":   "the account would have to log in with another folder",
}

// TestEveryCaseIsFollowed: a transcript follows the steps of each case of each runbook.
func TestEveryCaseIsFollowed(t *testing.T) {
	followed := followedCases(t)
	p, err := decide.Load(t.Context(), policies.FS, decide.Options{})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, i := range p.Invariants() {
		for name, steps := range i.Runbook.Cases {
			id := i.ID + " " + name
			known[id] = true
			checkCommands(t, id, steps)
			if name == policy.AnyCase || !slices.ContainsFunc(steps, hasCommand) {
				continue // each case of these rules has steps of its own
			}
			if _, excepted := unfollowed[id]; followed[id] == excepted {
				t.Errorf("%s: followed by a transcript: %v; in unfollowed: %v", id, followed[id], excepted)
			}
		}
	}
	for id := range unfollowed {
		if !known[id] {
			t.Errorf("unfollowed names %s, which no runbook has", id)
		}
	}
	for id := range followed {
		if !known[id] {
			t.Errorf("a transcript follows %s, which no runbook has", id)
		}
	}
}

// checkCommands checks that every command is known as one, and that none goes on after one
// before it failed.
func checkCommands(t *testing.T, id string, steps []policy.Step) {
	t.Helper()
	for _, s := range steps {
		for _, m := range inBackticks.FindAllStringSubmatch(s.Text, -1) {
			if first, _, ok := strings.Cut(m[1], " "); ok && program.MatchString(first) && !slices.Contains(programs, first) {
				t.Errorf("%s: `%s` begins with a word that is not in programs", id, m[1])
			}
		}
		for _, command := range commandsIn(s.Text) {
			if strings.Contains(strings.ReplaceAll(command, ";;", ""), ";") {
				t.Errorf("%s: `%s` goes on after a failure; write && or two commands", id, command)
			}
		}
	}
}

func hasCommand(s policy.Step) bool {
	return strings.Contains(s.Text, "{"+policy.ActivateKey+"}") || len(commandsIn(s.Text)) > 0
}

// followedCases returns the "INVARIANT CASE" of each follow in a transcript.
func followedCases(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scenarios: %v", len(files), err)
	}
	line := regexp.MustCompile(`(?m)^(?:\[\w+\] )?follow (\S+) \S+ (\S+)(?: .*)?$`)
	followed := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range line.FindAllStringSubmatch(string(text), -1) {
			followed[m[1]+" "+m[2]] = true
		}
	}
	return followed
}
