package systemd

import (
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"
)

const (
	busName       = "org.freedesktop.DBus"
	unitNamespace = dbus.ObjectPath("/org/freedesktop/systemd1/unit")
	maxPending    = 4096 // different events that wait
	maxUnitName   = 255  // bytes (systemd.unit(5))
	maxSeen       = 16_384
	maxPart       = 1024 // bytes of a path and an interface

	propertiesChanged = propertiesIface + ".PropertiesChanged"
)

// events collects what signals say until somebody takes it. The connection's reader calls
// it, so it never waits.
type events struct {
	wake chan struct{} // has an entry while something is there to take

	mu      sync.Mutex
	pending []Event // each once
	known   map[Event]bool
	owner   *string         // the manager's new name on the bus, "" for none; nil if that did not change
	seed    maphash.Seed    // of what is seen
	seen    map[part]uint64 // the hash of what was last said of it
}

// part is one interface of one unit.
type part struct{ path, iface string }

func newEvents() *events {
	return &events{wake: make(chan struct{}, 1), known: map[Event]bool{}, seed: maphash.MakeSeed(), seen: map[part]uint64{}}
}

// DeliverSignal implements [dbus.SignalHandler].
func (e *events) DeliverSignal(_, _ string, s *dbus.Signal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if owner, is := ownerIn(s); is {
		e.owner = &owner
	} else if event, is := eventIn(s); is && !e.isRepeated(s) {
		e.add(event)
	} else {
		return
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *events) add(event Event) {
	if e.known[event] {
		return
	}
	if len(e.pending) == maxPending {
		event = Event{Reload: true}
		e.pending = nil
		clear(e.known)
	}
	e.pending = append(e.pending, event)
	e.known[event] = true
}

// isRepeated reports whether a unit's properties were sent again with the same values. The
// manager does that for each unit on which another depends that is loaded to be read.
func (e *events) isRepeated(s *dbus.Signal) bool {
	if s.Name != propertiesChanged {
		return false
	}
	what := part{string(s.Path), textAt(s.Body, 0)}
	var hash maphash.Hash
	hash.SetSeed(e.seed)
	fmt.Fprint(&hash, s.Body...) // with sorted keys
	if len(what.path)+len(what.iface) > maxPart {
		return false
	}
	before, isSeen := e.seen[what]
	if !isSeen && len(e.seen) == maxSeen {
		clear(e.seen)
	}
	e.seen[what] = hash.Sum64()
	return isSeen && before == e.seen[what]
}

// take returns what was collected, and forgets it.
func (e *events) take() (list []Event, owner *string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list, owner = e.pending, e.owner
	e.pending, e.owner = nil, nil
	clear(e.known)
	return list, owner
}

// ownerIn returns the manager's new name on the bus, if the signal is about that.
func ownerIn(s *dbus.Signal) (owner string, is bool) {
	if s.Sender != busName || s.Name != busName+".NameOwnerChanged" || textAt(s.Body, 0) != destination || len(s.Body) < 3 {
		return "", false
	}
	return textAt(s.Body, 2), true
}

// eventIn returns what a signal says. UnitNew and UnitRemoved say nothing: whoever reads a
// unit that is not in memory causes both, and a start, stop, failure or reload sends others.
func eventIn(s *dbus.Signal) (event Event, is bool) {
	member, isManager := strings.CutPrefix(s.Name, managerIface+".")
	switch {
	case s.Name == propertiesChanged:
		path, below := strings.CutPrefix(string(s.Path), string(unitNamespace)+"/")
		return Event{Unit: unescape(path)}, below
	case !isManager || s.Path != managerPath:
		return Event{}, false
	}
	switch member {
	case "JobNew", "JobRemoved":
		return Event{Unit: orNone(textAt(s.Body, 2))}, true
	case "Reloading":
		return Event{Reload: true}, true
	case "UnitFilesChanged", "StartupFinished":
		return Event{}, true
	}
	return Event{}, false
}

func textAt(body []any, i int) string {
	if i >= len(body) {
		return ""
	}
	text, _ := body[i].(string)
	return text
}

// unescape returns the unit's name of the last part of an object path (see [unitPath]);
// "" if no unit has such a path.
func unescape(label string) string {
	if len(label) > 3*maxUnitName {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(label); i++ {
		if label[i] != '_' {
			b.WriteByte(label[i])
			continue
		}
		c, err := hex.DecodeString(label[i+1 : min(i+3, len(label))])
		if err != nil || len(c) != 1 {
			return ""
		}
		b.WriteByte(c[0])
		i += 2
	}
	name := orNone(b.String())
	if name == "" || string(unitPath(name)) != string(unitNamespace)+"/"+label {
		return ""
	}
	return name
}

// orNone returns the name of a unit, or "" if it cannot be one (systemd.unit(5)).
func orNone(name string) string {
	for i := range len(name) {
		if !letterOrDigit(name[i]) && !strings.ContainsRune(`:-_.\@`, rune(name[i])) {
			return ""
		}
	}
	if len(name) > maxUnitName || !strings.Contains(name, ".") {
		return ""
	}
	return name
}

// ignoreOdd takes away what a sound bus or manager does not send: calls, for each of which
// godbus starts a goroutine, and signals about names without a name, at which it panics.
func ignoreOdd(m *dbus.Message) {
	member, _ := m.Headers[dbus.FieldMember].Value().(string)
	isName := member == "NameLost" || member == "NameAcquired"
	if m.Type == dbus.TypeMethodCall || isName && textAt(m.Body, 0) == "" {
		m.Type = 0
	}
}
