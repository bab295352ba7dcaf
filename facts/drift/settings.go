package drift

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// compareSettings compares the settings as loaded with those of the files. It
// reports a difference only where it understands the setting for certain.
func compareSettings(loaded systemd.Unit, onDisk unitfile.Settings, spec unitfile.Specifiers) []facts.Difference {
	c := comparison{settings: onDisk, spec: spec, differs: []facts.Difference{}}
	c.unit(loaded)
	if loaded.Service != nil {
		c.service(*loaded.Service)
	}
	return c.differs
}

// serviceTypes are the types that every supported systemd knows; it ignores others.
var serviceTypes = []string{"simple", "exec", "forking", "oneshot", "dbus", "notify", "idle"}

// comparison is a comparison in progress.
type comparison struct {
	settings unitfile.Settings
	spec     unitfile.Specifiers
	differs  []facts.Difference
}

func (c *comparison) differ(key, loaded, onDisk string) {
	if loaded != onDisk {
		c.differs = append(c.differs, facts.Difference{Key: key, Loaded: loaded, OnDisk: onDisk})
	}
}

func (c *comparison) unit(u systemd.Unit) {
	if v, ok := c.settings.Last("Unit.Description"); ok && v != "" {
		if want, ok := c.spec.Expand(v); ok {
			c.differ("Description", u.Description, want)
		}
	}
	var docs []string
	for _, v := range c.settings.List("Unit.Documentation") {
		uris, ok := unitfile.ParseDocumentation(v, c.spec)
		if !ok {
			return
		}
		docs = append(docs, uris...)
	}
	c.differ("Documentation", strings.Join(u.Documentation, " "), strings.Join(docs, " "))
}

func (c *comparison) service(s systemd.Service) {
	if v, ok := c.settings.Last("Service.Type"); ok && slices.Contains(serviceTypes, v) {
		c.differ("Type", s.Type, v)
	}
	v, set := c.settings.Last("Service.RemainAfterExit")
	if !set {
		v = "no"
	}
	if want, ok := unitfile.ParseBool(v); ok { // systemd ignores empty and invalid values
		c.differ("RemainAfterExit", strconv.FormatBool(s.RemainAfterExit), strconv.FormatBool(want))
	}
	c.timeout(s)
	c.commands("ExecStartPre", s.ExecStartPre)
	c.commands("ExecStart", s.ExecStart)
	c.commands("ExecStartPost", s.ExecStartPost)
	c.environment(s.Environment)
}

func (c *comparison) timeout(s systemd.Service) {
	v, ok := c.settings.Last("Service.TimeoutStartSec")
	if _, both := c.settings.Last("Service.TimeoutSec"); !ok || v == "" || both {
		return // which of the two came last is not known here
	}
	want, ok := unitfile.ParseSpan(v)
	if !ok {
		return
	}
	if want <= 0 {
		want = -1 // 0 is infinity too
	}
	c.differ("TimeoutStartSec", spanText(s.TimeoutStart), spanText(want))
}

func spanText(d time.Duration) string {
	if d < 0 {
		return "infinity"
	}
	return d.String()
}

// commands compares argument vectors. They may hold secrets, so only their
// number and digest are reported.
func (c *comparison) commands(key string, loaded []systemd.Exec) {
	var disk []string
	for _, line := range c.settings.List("Service." + key) {
		cmd, ok := unitfile.ParseCommand(line, c.spec)
		if !ok {
			return
		}
		disk = append(disk, commandText(cmd.Argv, cmd.IgnoreFailure))
	}
	var have []string
	for _, e := range loaded {
		have = append(have, commandText(e.Argv, e.IgnoreFailure))
	}
	if !slices.Equal(have, disk) {
		c.differ(key, digestOf("commands", have), digestOf("commands", disk))
	}
}

// commandText writes a command so that equal texts are equal commands. systemd
// keeps the first word as it is written, with its path.
func commandText(argv []string, ignore bool) string {
	return fmt.Sprintf("%t %q", ignore, argv)
}

// environment compares by variable, of which the last assignment counts. Values
// are not reported.
func (c *comparison) environment(loaded []string) {
	disk := map[string]string{}
	for _, line := range c.settings.List("Service.Environment") {
		assignments, ok := unitfile.ParseEnvironment(line, c.spec)
		if !ok {
			return
		}
		for _, a := range assignments {
			disk[variable(a)] = a
		}
	}
	have := map[string]string{}
	for _, v := range loaded {
		have[variable(v)] = v
	}
	if digestOf("variables", sortedValues(have)) != digestOf("variables", sortedValues(disk)) {
		c.differ("Environment", digestOf("variables", sortedValues(have)), digestOf("variables", sortedValues(disk)))
	}
}

func variable(assignment string) string {
	name, _, _ := strings.Cut(assignment, "=")
	return name
}

func sortedValues(m map[string]string) []string {
	var values []string
	for _, v := range m {
		values = append(values, v)
	}
	slices.Sort(values)
	return values
}

// digestOf describes values by their number and a digest.
func digestOf(what string, values []string) string {
	sum := sha256.Sum256([]byte(strings.Join(values, "\x00")))
	return fmt.Sprintf("%d %s, sha256:%s", len(values), what, hex.EncodeToString(sum[:6]))
}
