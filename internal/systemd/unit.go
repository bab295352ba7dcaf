package systemd

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"stackpolicy/internal/systemd/wire"
)

// Unit is one unit as loaded. See org.freedesktop.systemd1(5).
type Unit struct {
	ID, LoadState, ActiveState, SubState, UnitFileState string
	FragmentPath, SourcePath                            string
	DropInPaths, Names                                  []string
	IsMute                                              bool // the manager cannot say DropInPaths ([isMute])
	NeedDaemonReload                                    bool
	Description                                         string
	Documentation                                       []string
	WantedBy, RequiredBy, UpheldBy                      []string // UpheldBy: nil before systemd 254
	Requires, Requisite, BindsTo, TriggeredBy           []string
	Wants, Upholds                                      []string // Upholds: nil before systemd 249
	StateChange                                         time.Time
	InactiveExit, ActiveEnter, ActiveExit               time.Time // zero: never since the manager started or the unit was loaded
	Condition, Assertion                                Check
	Service                                             *Service // nil for other unit types
}

// Check is the outcome of a unit's Condition…= or Assert…= settings at its last
// start.
type Check struct {
	At  time.Time // zero: it was not checked yet
	Met bool
}

// Service is the service part of a unit.
type Service struct {
	Type            string
	RemainAfterExit bool
	TimeoutStart    time.Duration // -1: infinite
	ExecStartPre    []Exec
	ExecStart       []Exec
	ExecStartPost   []Exec
	Environment     []string
	Result          string
	ExecMainStatus  int
	Restarts        int
}

// Exec is one command line.
type Exec struct {
	Path          string
	Argv          []string
	IgnoreFailure bool
}

// unitProps are the properties of [Unit], without those of its Service.
var unitProps = propertySet(
	"Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "FragmentPath", "SourcePath",
	"DropInPaths", "Names", "NeedDaemonReload", "Description", "Documentation",
	"WantedBy", "RequiredBy", "UpheldBy", "Requires", "Requisite", "BindsTo", "TriggeredBy",
	"Wants", "Upholds",
	"StateChangeTimestamp", "InactiveExitTimestamp", "ActiveEnterTimestamp", "ActiveExitTimestamp",
	"ConditionResult", "ConditionTimestamp", "AssertResult", "AssertTimestamp",
)

// serviceProps are read one by one: the whole interface has some 250
// properties and costs the manager three times as much as the Unit interface.
var serviceProps = [...]string{
	"Type", "RemainAfterExit", "TimeoutStartUSec", "ExecStartPre", "ExecStart",
	"ExecStartPost", "Environment", "Result", "ExecMainStatus", "NRestarts",
}

// wantedProps has both.
var wantedProps = func() map[string]bool {
	set := maps.Clone(unitProps)
	for _, name := range serviceProps {
		set[name] = true
	}
	return set
}()

func propertySet(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

// unitOf makes a unit of all its properties.
func unitOf(name string, props map[string]any) (Unit, error) {
	r := &reader{props: props}
	u := unitFrom(r)
	if isService(name) {
		u.Service = serviceFrom(r)
	}
	return u, r.err(fmt.Sprintf("unit %q", name))
}

func unitFrom(r *reader) Unit {
	u := Unit{
		ID:               value[string](r, "Id"),
		LoadState:        value[string](r, "LoadState"),
		ActiveState:      value[string](r, "ActiveState"),
		SubState:         value[string](r, "SubState"),
		UnitFileState:    value[string](r, "UnitFileState"),
		FragmentPath:     value[string](r, "FragmentPath"),
		SourcePath:       value[string](r, "SourcePath"),
		DropInPaths:      value[[]string](r, "DropInPaths"),
		Names:            value[[]string](r, "Names"),
		NeedDaemonReload: value[bool](r, "NeedDaemonReload"),
		Description:      value[string](r, "Description"),
		Documentation:    value[[]string](r, "Documentation"),
		WantedBy:         value[[]string](r, "WantedBy"),
		RequiredBy:       value[[]string](r, "RequiredBy"),
		Requires:         value[[]string](r, "Requires"),
		Requisite:        value[[]string](r, "Requisite"),
		BindsTo:          value[[]string](r, "BindsTo"),
		Wants:            value[[]string](r, "Wants"),
		TriggeredBy:      value[[]string](r, "TriggeredBy"),
		StateChange:      usec(value[uint64](r, "StateChangeTimestamp")),
		InactiveExit:     usec(value[uint64](r, "InactiveExitTimestamp")),
		ActiveEnter:      usec(value[uint64](r, "ActiveEnterTimestamp")),
		ActiveExit:       usec(value[uint64](r, "ActiveExitTimestamp")),
		Condition:        Check{usec(value[uint64](r, "ConditionTimestamp")), value[bool](r, "ConditionResult")},
		Assertion:        Check{usec(value[uint64](r, "AssertTimestamp")), value[bool](r, "AssertResult")},
	}
	if _, ok := r.props["UpheldBy"]; ok {
		u.UpheldBy = value[[]string](r, "UpheldBy")
	}
	if _, ok := r.props["Upholds"]; ok {
		u.Upholds = value[[]string](r, "Upholds")
	}
	return u
}

func serviceFrom(r *reader) *Service {
	return &Service{
		Type:            value[string](r, "Type"),
		RemainAfterExit: value[bool](r, "RemainAfterExit"),
		TimeoutStart:    span(value[uint64](r, "TimeoutStartUSec")),
		ExecStartPre:    execs(r, "ExecStartPre"),
		ExecStart:       execs(r, "ExecStart"),
		ExecStartPost:   execs(r, "ExecStartPost"),
		Environment:     value[[]string](r, "Environment"),
		Result:          value[string](r, "Result"),
		ExecMainStatus:  int(value[int32](r, "ExecMainStatus")),
		Restarts:        int(value[uint32](r, "NRestarts")),
	}
}

// isMute reports whether the manager could not answer because a string of the answer is not
// UTF-8, which D-Bus does not allow. The only such strings of a unit are the names of its
// drop-ins: systemd 252 to 257 takes any name that ends in .conf.
func isMute(err error) bool {
	const invalid = "org.freedesktop.DBus.Error.InvalidArgs"
	var bus dbus.Error
	var direct *wire.Error
	return errors.As(err, &bus) && bus.Name == invalid || errors.As(err, &direct) && direct.Name == invalid
}

// unread says which unit, and which property of it unless "", could not be read.
func unread(name, property string, err error) error {
	if property == "" {
		return fmt.Errorf("read unit %q: %w", name, err)
	}
	return fmt.Errorf("read %s of unit %q: %w", property, name, err)
}

// Escape writes a string as part of a unit name, as systemd-escape(1) does.
func Escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '/':
			b.WriteByte('-')
		case letterOrDigit(c) || c == ':' || c == '_' || c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}

func letterOrDigit(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
}

// unitPath returns the unit's object path: every byte except letters and digits is
// written as _xx, and so is a digit in the first place (bus_label_escape in
// systemd).
func unitPath(name string) dbus.ObjectPath {
	var b strings.Builder
	b.WriteString("/org/freedesktop/systemd1/unit/")
	for i := range len(name) {
		c := name[i]
		digit := c >= '0' && c <= '9'
		if letterOrDigit(c) && (i > 0 || !digit) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return dbus.ObjectPath(b.String())
}

func isService(name string) bool { return strings.HasSuffix(name, ".service") }
