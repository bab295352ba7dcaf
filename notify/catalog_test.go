package notify_test // stack's configuration imports notify

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"stackpolicy/notify"
	"stackpolicy/stack"
)

const catalog = "../units/stackpolicy.catalog"

// entries of the catalog, by message id.
func entries(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(catalog)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, part := range strings.Split(string(text), "\n-- ")[1:] {
		id, body, _ := strings.Cut(part, "\n")
		if _, twice := all[id]; twice {
			t.Errorf("%s is there twice", id)
		}
		all[id] = body
	}
	return all
}

// TestTheCatalogExplainsEveryMessage, and its texts name only fields that the
// message has.
func TestTheCatalogExplainsEveryMessage(t *testing.T) {
	explained := entries(t)
	messages := notify.FieldsOfMessages(t)
	for _, o := range stack.Outcomes() {
		if o.MessageID != "" {
			messages[o.MessageID] = []string{"STACKPOLICY_STACK", "STACKPOLICY_VERB", "STACKPOLICY_OUTCOME", "STACKPOLICY_STATUS", "STACKPOLICY_HINT"}
			if status := fmt.Sprintf("Exit status %d (%s)", o.Status, o.Name); !strings.Contains(explained[o.MessageID], status) {
				t.Errorf("the entry of %s does not say %q", o.Name, status)
			}
		}
	}
	for id, fields := range messages {
		for _, m := range regexp.MustCompile(`@([A-Z_]+)@`).FindAllStringSubmatch(explained[id], -1) {
			if !slices.Contains(fields, m[1]) {
				t.Errorf("%s: the message has no field %s", id, m[1])
			}
		}
		if !strings.HasPrefix(explained[id], "Subject: ") || !strings.Contains(explained[id], "\nDefined-By: stackpolicy\n\n") {
			t.Errorf("%s is not explained: %q", id, explained[id])
		}
	}
	if len(explained) != len(messages) {
		t.Errorf("%d messages are explained, and there are %d", len(explained), len(messages))
	}
}

// TestJournalctlTakesTheCatalog: journalctl builds its index from our catalog.
func TestJournalctlTakesTheCatalog(t *testing.T) {
	journalctl, err := exec.LookPath("journalctl")
	if err != nil {
		t.Skip("journalctl is not installed; it is in Debian's package systemd")
	}
	root := t.TempDir()
	for _, folder := range []string{"usr/lib/systemd/catalog", "var/lib/systemd/catalog"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(catalog)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "usr/lib/systemd/catalog/stackpolicy.catalog"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(journalctl, "--root="+root, "--update-catalog").CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("update: %v\n%s", err, out)
	}
	out, err := exec.Command(journalctl, "--root="+root, "--list-catalog").Output()
	if n := strings.Count(string(out), "\n"); err != nil || n != len(entries(t)) {
		t.Errorf("%d entries, %v; want %d\n%s", n, err, len(entries(t)), out)
	}
}
