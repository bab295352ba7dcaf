package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/finding"
)

// audited sets up an account without a manager. Its only audit found a page, which has
// steps, and gaps, for which the class of their invariants is needed.
func audited(t *testing.T) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME", "DBUS_SESSION_BUS_ADDRESS"} {
		t.Setenv(name, "")
	}
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
	t.Setenv("PATH", t.TempDir())
	if code := run(t.Context(), []string{"eval"}, strings.NewReader(""), io.Discard, io.Discard); code != 2 {
		t.Fatalf("eval: exit status %d, want 2", code)
	}
}

// counted loads the built-in policies and counts the calls.
func counted(loads *int) invariants {
	return loadOnce(func() (*decide.Policies, error) {
		*loads++
		return cli.LoadPolicies(context.Background(), "", nil)
	})
}

// TestPoliciesAreLoadedOnce: report needs them for steps and for classes.
func TestPoliciesAreLoadedOnce(t *testing.T) {
	audited(t)
	loads := 0
	m, err := dailyReport(t.Context(), counted(&loads), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Now.List) == 0 || m.Now.List[0].Findings.List[0].Next == "" {
		t.Errorf("no finding has a step, so nothing asked for the policies: %+v", m.Now)
	}
	if loads != 1 {
		t.Errorf("report loaded the policies %d times, want once", loads)
	}

	loads = 0
	st, err := lastStatus(t.Context(), counted(&loads))
	if err != nil {
		t.Fatal(err)
	}
	if loads != 0 {
		t.Errorf("status loaded the policies before anything asked for them")
	}
	for range 2 {
		if err := policySteps(st.Steps); err != nil {
			t.Error(err)
		}
	}
	if loads != 1 {
		t.Errorf("status loaded the policies %d times, want once", loads)
	}
}

func policySteps(steps func(finding.Finding) []string) error {
	for _, invariant := range []string{"user_manager_running", finding.AuditComplete} {
		if len(steps(finding.Finding{Invariant: invariant, Subject: "host", Effect: "block", Evidence: map[string]any{}})) == 0 {
			return fmt.Errorf("the finding of %s has no step", invariant)
		}
	}
	return nil
}

// TestWithoutPolicies: what audits found is shown even if the policies do not load.
func TestWithoutPolicies(t *testing.T) {
	none := loadOnce(func() (*decide.Policies, error) { return nil, errors.New("no policies") })
	if got := none(); got != nil {
		t.Errorf("got %v", got)
	}
	if got := none.class("linger_enabled"); got != "" {
		t.Errorf("class %q", got)
	}
	if got := none.steps(finding.Finding{Invariant: "linger_enabled", Effect: "block"}); got != nil {
		t.Errorf("steps %v", got)
	}
}

func TestClass(t *testing.T) {
	list := invariants(func() []policy.Invariant {
		return []policy.Invariant{{ID: "a", Class: "host"}, {ID: "b", Class: "stack"}}
	})
	if list.class("b") != "stack" || list.class("c") != "" {
		t.Errorf("got %q and %q", list.class("b"), list.class("c"))
	}
}
