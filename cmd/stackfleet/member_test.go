package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// What a member says of itself, at each step of a hub that goes away and comes back. It says it in
// one line, also what waits after each audit.
func TestMemberStatus(t *testing.T) {
	t.Parallel()
	hub, host := newTerminal(t), newTerminal(t)
	address := freeAddress(t)
	serve := serveHub(t, hub, "--listen", address, "--public", address, "--page", "none")
	host.says(t, "before it is enrolled", "")
	enrolled(t, hub, host, "web")
	host.says(t, "enrolled", "^member of home as web \\S+, at "+address+". The hub has confirmed nothing yet. Nothing waits to be sent.$")
	_, _ = host.run("stackpolicy", "eval")
	host.says(t, "sent", "The hub has confirmed nothing yet. Nothing waits to be sent.$")

	_ = serve.cmd.Process.Kill()
	_ = serve.wait()
	o := sending(t, host)
	for i := range 3 {
		record(t, o.Store, time.Now().Add(time.Duration(i)*time.Millisecond), i)
	}
	out, err := host.run("stackpolicy", "send-alerts")
	want := `^stackpolicy: 3 audits wait for the hub since \d{4}-\d\d-\d\d \d\d:\d\d UTC: the hub does not answer at ` + address + ` \(connection refused\)\n$`
	if exitStatus(err) != 1 || !regexp.MustCompile(want).MatchString(out) {
		t.Errorf("without the hub: %v\n%s\nwant %s", err, out, want)
	}
	host.says(t, "without the hub", "The hub has confirmed nothing yet. 3 audits wait since .* to be sent.$")

	serve = serveHub(t, hub)
	if out, err := host.run("stackpolicy", "send-alerts"); err != nil || out != "" {
		t.Errorf("with the hub: %v\n%s", err, out)
	}
	host.says(t, "with the hub", `The hub confirmed what it has at .* \(.* ago\). Nothing waits to be sent.$`)
	_ = serve.cmd.Process.Kill()
	_ = serve.wait()
}

// says wants that status says something of the fleet, nothing if want is "", and that its JSON fits
// the schema.
func (h terminal) says(t *testing.T, when, want string) {
	t.Helper()
	out, _ := h.command("stackpolicy", "status").Output() // its status is that of the last audit
	_, line, has := strings.Cut(string(out), "\nfleet: ")
	line = strings.Join(strings.Fields(line), " ")
	if has != (want != "") || !regexp.MustCompile(want).MatchString(line) {
		t.Errorf("%s: status says\n%s\nwant %q", when, out, want)
	}
	out, _ = h.command("stackpolicy", "status", "-o", "json").Output()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(out))
	if err != nil {
		t.Fatalf("%s: %v\n%s", when, err, out)
	}
	if err := schema(t, "status.json").Validate(value); err != nil {
		t.Errorf("%s: %v\n%s", when, err, out)
	}
}
