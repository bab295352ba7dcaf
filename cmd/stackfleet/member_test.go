package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
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
	sends := func() {
		t.Helper()
		if out, err := host.run("stackpolicy", "send-alerts"); err != nil || out != "" {
			t.Errorf("with the hub: %v\n%s", err, out)
		}
	}
	sends()
	host.says(t, "with the hub", `Nothing waits to be sent.$`)
	// What the archive confirms a moment later is read when something new is sent.
	for i, end := 3, time.Now().Add(20*time.Second); host.confirmed().IsZero() && time.Now().Before(end); i++ {
		record(t, o.Store, time.Now(), i)
		sends()
	}
	host.says(t, "confirmed", `The hub confirmed what it has at .* \(.* ago\). Nothing waits to be sent.$`)
	_ = serve.cmd.Process.Kill()
	_ = serve.wait()

	// What cannot be read does not change the verdict.
	_, before := host.run("stackpolicy", "status")
	for _, c := range [][2]string{{"fleet.db", "^member of home as web .* It is not known what waits: "}, {"fleet.json", "^It is not known what waits: "}} {
		name, want := c[0], c[1]
		if err := os.WriteFile(filepath.Join(host.home, ".local/state/stackpolicy", name), []byte(strings.Repeat("nonsense ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		host.says(t, "damaged "+name, want)
		if _, err := host.run("stackpolicy", "status"); exitStatus(err) != exitStatus(before) {
			t.Errorf("damaged %s: %v, before %v", name, err, before)
		}
	}
}

// confirmed is when the hub last confirmed something, as status says; zero: never.
func (h terminal) confirmed() time.Time {
	out, _ := h.command("stackpolicy", "status", "-o", "json").Output()
	var st struct{ Fleet struct{ Confirmed time.Time } }
	_ = json.Unmarshal(out, &st) // null is zero
	return st.Fleet.Confirmed
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
