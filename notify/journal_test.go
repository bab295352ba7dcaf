package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/internal/journal"
	"stackpolicy/lab/debian"
	"stackpolicy/lab/machine"
)

// everyKind returns an alert for each message id.
func everyKind() map[string]Alert {
	ticket, unknown, failed := firing(), firing(), firing()
	ticket.Severity, ticket.Kind, unknown.Severity = "ticket", KindRepeat, "unknown"
	failed.Outcome, failed.Effect, failed.Kind = "heal-failed", "heal", KindChanged
	return map[string]Alert{
		MessagePage: firing(), MessageTicket: ticket, MessageUnknown: unknown, MessageHealFailed: failed,
		MessageResolved: ended(KindResolved), MessageHealed: ended(KindHealed),
	}
}

// fieldsOfMessages lists the journal fields of every kind of alert, by message id.
func fieldsOfMessages(t *testing.T) map[string][]string {
	fields := map[string][]string{}
	for id, a := range everyKind() {
		fields[id] = slices.Sorted(maps.Keys(entry(a).Fields))
	}
	fields[MessageCouldNotBegin] = slices.Sorted(maps.Keys(beginning(t, nil).Fields))
	return fields
}

func TestEntries(t *testing.T) {
	priorities := map[string]int{
		MessagePage: journal.Critical, MessageHealFailed: journal.Critical, MessageTicket: journal.Warning,
		MessageUnknown: journal.Warning, MessageResolved: journal.Notice, MessageHealed: journal.Notice,
	}
	for id, a := range everyKind() {
		e := entry(a)
		if e.MessageID != id || e.Priority != priorities[id] || e.UserUnit != "web.service" {
			t.Errorf("%s, %s: got id %s, priority %d, unit %s", a.Kind, a.Severity, e.MessageID, e.Priority, e.UserUnit)
		}
	}
	e := entry(firing())
	want := "PAGE: stack_running on web.service (den)\nits container \"web-app\" is exited\nsince 2026-03-01T12:00:00Z\nnext: Look at its log"
	if e.Message != want {
		t.Errorf("message\n got %q\nwant %q", e.Message, want)
	}
	if got := entry(ended(KindHealed)).Message; strings.Contains(got, "next:") {
		t.Errorf("there is nothing to do after a heal: %q", got)
	}
	host := firing()
	host.Subject = "host"
	if e := entry(host); e.UserUnit != "" {
		t.Errorf("the host is not a unit, got %q", e.UserUnit)
	}
}

func TestAJournalThatIsNotThere(t *testing.T) {
	cases := map[string]struct{ sent, want error }{
		"none listens": {fmt.Errorf("%w: no such file", journal.ErrNoJournal), nil},
		"it is full":   {errDown, errDown},
		"it took it":   {nil, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			j := toJournal{func(journal.Entry) error { return c.sent }}
			if err := j.Send(t.Context(), firing()); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// sendVariable, when it is set, makes the test program write one alert to the
// journal and exit.
const sendVariable = "STACKPOLICY_TEST_TELLS_THE_JOURNAL"

func TestMain(m *testing.M) {
	if os.Getenv(sendVariable) == "" {
		os.Exit(m.Run())
	}
	for _, a := range everyKind() {
		if err := journal.Send(entry(a)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// TestRealJournal: a user's alerts are in the log of the unit they are about, and
// journalctl -x explains them.
func TestRealJournal(t *testing.T) {
	o := machine.Options{Suite: debian.Trixie}
	if err := machine.Available(o); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	m, err := machine.Boot(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Stop() })
	text, err := os.ReadFile("../units/stackpolicy.catalog")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Write("/usr/lib/systemd/catalog/stackpolicy.catalog", string(text)); err != nil {
		t.Fatal(err)
	}
	program, err := m.Install(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	run := func(cmd *exec.Cmd) string {
		t.Helper()
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
		return string(out)
	}
	run(m.RootCommand(ctx, "journalctl", "--update-catalog"))
	run(m.Command(ctx, "env", sendVariable+"=1", program))
	run(m.RootCommand(ctx, "journalctl", "--sync"))
	got := run(m.Command(ctx, "journalctl", "--user", "--unit=web.service", "--catalog", "--no-pager", "--output=short"))
	for _, want := range []string{
		"PAGE: stack_running on web.service (den)",
		"Subject: web.service needs somebody now: stack_running does not hold",
		"Subject: web.service could not be healed: stack_running does not hold",
		"Subject: web.service was healed: stack_running holds again",
		"░░ Look at its log\n░░ Restart it\n", // both steps, from the message's own field
		"░░     stackpolicy explain web.service stack_running",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

// beginning returns the entry about an audit that could not begin. The journal
// answers with the given error.
func beginning(t *testing.T, answer error) (sent journal.Entry) {
	t.Helper()
	err := couldNotBegin(func(e journal.Entry) error { sent = e; return answer }, "config.yaml: line 1: unknown key")
	if silent := answer == nil || errors.Is(answer, journal.ErrNoJournal); silent != (err == nil) {
		t.Errorf("for %v: %v", answer, err)
	}
	return sent
}

func TestCouldNotBegin(t *testing.T) {
	for _, answer := range []error{nil, fmt.Errorf("here: %w", journal.ErrNoJournal), errors.New("full")} {
		e := beginning(t, answer)
		if e.Priority != journal.Warning || e.MessageID != MessageCouldNotBegin || e.UserUnit != "stackpolicy-audit.service" ||
			!strings.HasPrefix(e.Message, "UNKNOWN: ") || !strings.Contains(e.Message, "line 1: unknown key") {
			t.Errorf("got %+v", e)
		}
	}
}
