package proof

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackpolicy/lab/scene"
	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
	"stackpolicy/stack"
)

// TestStackctl checks that the result of a restart says whether the stack is up.
func TestStackctl(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := openCtl(t, options)
		s.systemctl("restart", "web.service")
		const want = "preflight-passed applied verified"
		for end := time.Now().Add(10 * time.Second); strings.Join(s.entries(), " ") != want; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) { // a busy machine writes its journal late
				t.Fatalf("journal: %s\n%s", strings.Join(s.entries(), " "), s.Log())
			}
		}
		for _, e := range s.Journal() {
			if e["_TRANSPORT"] == "stdout" && strings.Contains(e["MESSAGE"], "web verify") {
				t.Errorf("said twice: %v", e)
			}
		}
		if r := s.record(); r.Invocation != s.property("web.service", "InvocationID") || r.Stale || r.Last.Step != "verify" || r.Last.Status != 0 {
			t.Errorf("recorded %+v", r)
		}
		s.stackctl(stack.IsUp, []string{"web: up\n", "unit: web.service is active"}, "status", "web")
		s.want("applied by stackctl", s.eval("web"), 0)

		s.contains(without(scene.Container{State: "exited", ExitCode: 3, RestartPolicy: "no"})...)
		s.stackctl(stack.Degraded, []string{"web: degraded", "app  exited (3)"}, "status", "web.service")
		if out, err := s.Systemctl(t.Context(), "restart", "web.service"); err == nil {
			t.Errorf("a restart of a stack that is down succeeds: %s", out)
		}
		if r := s.record(); r.Last.Step != "verify" || r.Last.Status != stack.ServiceDown.Status {
			t.Errorf("recorded %+v", r.Last)
		}
		if got := s.entries(); got[len(got)-1] != "service-failed" || s.property("web.service", "ActiveState") != "failed" {
			t.Errorf("journal %v, unit %s", got, s.property("web.service", "ActiveState"))
		}
		s.contains(scene.Containers()...)
		s.stackctl(stack.UpButFailed, []string{"web: up, but the last apply failed", "then verify ended with 30"}, "status", "web")
		s.systemctl("restart", "web.service")
		s.stackctl(stack.IsUp, nil, "status", "web")
	})
}

// TestStackctlVerify checks how verify ends when it is called by hand.
func TestStackctlVerify(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := openCtl(t, options)
		verify := []string{"verify", "web", "--timeout=1s"}
		s.stackctl(stack.NotApplied, []string{"up, but not what is declared", "is of another definition"}, verify...)
		s.systemctl("restart", "web.service")
		s.stackctl(stack.Verified, []string{"web verify: all 2 services are up after"}, verify...)
		s.contains(without(scene.Container{Health: "starting"})...)
		s.stackctl(stack.NotInTime, []string{"not up after 1", "app starting"}, verify...)
		s.contains(without(scene.Container{Health: "unhealthy"})...)
		s.stackctl(stack.ServiceDown, []string{"app unhealthy", `log: ready\x1b[2J`}, verify...)
		s.contains(without(scene.Container{State: "restarting", RestartPolicy: "always"})...)
		s.stackctl(stack.ServiceDown, []string{"app restarting"}, verify...)

		s.do(s.Write(filepath.Join(s.Home, ".podman-hangs"), ""))
		begin := time.Now()
		s.stackctl(stack.CannotLook, []string{"could not be determined", "podman ps"}, verify...)
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("podman hangs: verify took %v", took)
		}
		s.stackctl(stack.Unknown, []string{"web: unknown"}, "status", "web")
		s.do(os.Remove(filepath.Join(s.Home, ".podman-hangs")))

		// verify evaluates an operator's rule. If the rule is missing, verify does not pass.
		rules := filepath.Join(s.Home, "rules")
		if r := s.Stackpolicy(t.Context(), "policy", "copy", rules); r.Code != 0 {
			t.Fatal(r.Err)
		}
		rule := filepath.Join(rules, "invariants/stack_running/stack_running.rego")
		text, err := os.ReadFile(rule)
		s.do(err)
		s.declare("policies: "+rules+"\n", verified)
		const waiting = "\tsome unit in waiting\n\tnot works(unit)\n"
		if !strings.Contains(string(text), waiting) {
			t.Fatal("the rule has other words now")
		}
		s.do(s.Write(rule, strings.Replace(string(text), waiting, "\tsome unit in stacks\n\tunit.verify\n", 1)))
		s.contains(scene.Containers()...)
		s.stackctl(stack.ServiceDown, []string{"waits for its next restart"}, verify...)
		s.do(os.RemoveAll(filepath.Dir(rule)))
		s.stackctl(stack.Usage, []string{"no invariant stack_running"}, verify...)
		s.do(s.Write(filepath.Join(rules, "main.rego"), "nonsense"))
		s.stackctl(stack.Usage, []string{"main.rego:1"}, verify...)
	})
}

// TestStackctlCutByManager checks that the manager ends a start that takes too long, and
// that what was not up is reported. Each command has the whole time.
func TestStackctlCutByManager(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := openCtl(t, options)
		s.contains(without(scene.Container{Health: "starting"})...)
		s.declare("", strings.NewReplacer("=60", "=3", "ExecStartPre=", "ExecStartPre=/bin/sleep 2\nExecStartPre=", "=3s", "=60s").Replace(verified))
		begin := time.Now()
		if _, err := s.Systemctl(t.Context(), "restart", "web.service"); err == nil {
			t.Error("a start that takes too long succeeds")
		}
		if took := time.Since(begin); took < 4900*time.Millisecond {
			t.Errorf("the limit was reached after %v, so it is not one of each command", took)
		}
		if got := s.entries(); got[len(got)-1] != "verify-interrupted" || s.property("web.service", "Result") != "timeout" {
			t.Errorf("journal %v, result %s", got, s.property("web.service", "Result"))
		}
		if last := s.record().Last; last.Status != stack.VerifyCut.Status || !strings.Contains(last.Message, "app starting") {
			t.Errorf("recorded %+v", last)
		}
	})
}

// TestStackctlStatus checks that the highest exit status of several stacks counts.
func TestStackctlStatus(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := openCtl(t, options)
		s.stackctl(stack.IsUp, []string{"feeds: up\n", "files: up\n", "web: up\n"}, "status")
		ended := scene.Containers()
		ended[len(ended)-1].State = "exited"
		s.contains(ended...)
		s.stackctl(stack.Down, []string{"feeds: down", "web: up"}, "status")
		s.stackctl(stack.IsUp, []string{"files: up", "web: up"}, "status", "web", "files")
		r := s.stackctl(stack.Down, nil, "status", "-o", "json")
		var got struct {
			Schema string
			Stacks []struct {
				Stack, State string
				Services     []struct{ Service, State string }
			}
		}
		s.do(json.Unmarshal([]byte(r.Out), &got))
		states := []string{}
		for _, x := range got.Stacks {
			states = append(states, fmt.Sprintf("%s %s %d", x.Stack, x.State, len(x.Services)))
		}
		if strings.Join(states, ", ") != "feeds down 1, files up 2, web up 2" || got.Schema != stack.StatusSchema {
			t.Errorf("%s: %v", got.Schema, states)
		}

		// Without a manager the state is unknown. Without a journal everything is printed.
		s.do(syscall.Kill(s.PID, syscall.SIGKILL))
		s.until("the manager is gone", func() bool { return syscall.Kill(s.PID, 0) != nil })
		s.stackctl(stack.Unknown, []string{"web: unknown", "in a state that could not be determined", "reach the user manager"}, "status")
		socket, words := filepath.Join(s.Dir, "journal/socket"), "web verify: whether the stack is up could not be determined"
		s.do(os.Remove(socket))
		s.stackctl(stack.CannotLook, []string{words}, "verify", "web", "--timeout=1s")

		// A journal that accepts no entries is reported, and changes no outcome.
		wrong, err := net.Listen("unix", socket) // the journal's socket is no stream socket
		s.do(err)
		defer wrong.Close()
		s.do(os.Chmod(socket, 0o666))
		s.stackctl(stack.CannotLook, []string{words, "send to the journal"}, "verify", "web", "--timeout=1s")
	})
}
