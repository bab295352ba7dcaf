package decide

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/facts"
)

// conditions are ways to write a condition about a unit, of one unit and of several. Rules
// are made of up to three of them.
var conditions = []string{
	`unit.loaded.active_state == "failed"`,
	`some c in unit.containers; c.state == "exited"`,
	`not any_exited(unit)`,
	`count([c | some c in unit.containers; c.pod != ""]) > 1`,
	`every c in unit.containers { c.state == "running" }`,
	`every v in unit.containers[0].labels { v != "x" }`,
	`some k, v in unit.containers[0].labels; v == k`,
	`unit.containers[0].labels["a?"]`,
	`unit.containers[0].labels["*"] == "x"`,
	`unit.name in bad`,
	`not unit.name in bad`,
	`bad[unit.name]`,
	`not bad[unit.name]`,
	`pods[unit.containers[0].pod]`,
	`not unit.containers[0].pod in pods`,
	`by_name[unit.name].state == "exited"`,
	`some x in pairs; x.unit.name == unit.name; x.c.pod == "p"`,
	`some {"unit": u, "c": c} in pairs; u.name == unit.name; c.pod == "q"`,
	`some other in input.units; other.name != unit.name; other.loaded.active_state == "failed"`,
	`count(bad) > 1`,
	`count(input.units) > 2`,
	`bad == set()`,
	`worst == "failed"`,
	`input.user.linger`,
	`not input.user.linger`,
	`input.manager.state == "degraded"`,
	`m := input.manager; m.state != "running"`,
	`some c in input.podman.unowned; c.pod == unit.containers[0].pod`,
	`{"name": n, "uid": _, "groups": _, "linger": _, "unit_dir": _, "open_folders": _} = input.user; n != "ada"`,
	`[c] = unit.containers; c.state == "exited"`,
	`x := {"a": unit.loaded.active_state, "b": unit.containers[0].pod}; x.a == "failed"`,
	`late(unit)`,
	`unit.loaded.active_state == "failed"; input.collected_at > "2026-01-02T04"`,
	`object.get(unit.containers[0].labels, "state", "") == "x"`,
	`walk(unit.containers, [_, v]); v == "x"`,
	`state_of(unit.loaded) == "bad"`,
	`some i, c in unit.containers; i > 0; c.state == "exited"`,
	`some i; input.units[i].name == unit.name; i > 1`,
	`max([n | some u in input.units; n := u.loaded.n_restarts]) == unit.loaded.n_restarts`,
	`unit.loaded.n_restarts in {n | some u in input.units; u.name != unit.name; n := u.loaded.n_restarts}`,
}

// helpers are what the conditions use.
const helpers = `
any_exited(u) if { some c in u.containers; c.state == "exited" }

bad contains u.name if { some u in input.units; u.loaded.active_state == "failed" }

pods contains c.pod if { some u in input.units; some c in u.containers; c.state == "running" }

pods contains c.pod if { some c in input.podman.unowned; c.state == "running" }

by_name[u.name] := {"state": u.containers[0].state} if some u in input.units

pairs contains {"unit": u, "c": c} if { some u in input.units; some c in u.containers }

default worst := "ok"

worst := "failed" if { some u in input.units; u.loaded.active_state == "failed" }

late(u) if { u.loaded.n_restarts > 1; time.parse_rfc3339_ns(input.collected_at) > time.parse_rfc3339_ns("2026-01-02T04:00:00Z") }

state_of(l) := "bad" if l.active_state == "failed" else := "odd" if l.n_restarts > 2 else := "good"
`

// any of these is a finding's head; %s is the body.
var heads = []string{
	`finding contains {"subject": unit.name, "effect": "block", "message": "m"} if { some unit in input.units; %s }`,
	`finding contains {"subject": unit.name, "effect": "block", "message": unit.loaded.active_state} if { some unit in input.units; unit.managed_by != ""; %s }`,
	`finding contains {"subject": "host", "effect": "block", "message": unit.name} if { some unit in input.units; %s }`,
	`finding contains {"subject": p.n, "effect": "block", "message": p.m} if { some p in found }
found contains {"n": unit.name, "m": concat(",", ["a", unit.loaded.sub_state])} if { some unit in input.units; %s }`,
	`finding contains {"subject": "host", "effect": "block", "message": sprintf("%%d", [count(found)])} if count(found) > 0
found contains unit.name if { some unit in input.units; %s }`,
}

// small makes and changes small documents whose values are few, so that they come again.
type small struct {
	*rand.Rand
	doc *facts.Document
}

func (s *small) one(of ...string) string { return of[s.IntN(len(of))] }

func (s *small) container() facts.Container {
	labels := map[string]string{}
	for range s.IntN(3) {
		labels[s.one("a", "a?", "*", "state", "x")] = s.one("x", "y", "a")
	}
	return facts.Container{State: s.one("running", "exited"), Pod: s.one("", "p", "q"), Labels: labels}
}

func (s *small) unit(u *facts.Unit) {
	u.ManagedBy = s.one("home-manager", "home-manager", "home-manager", "")
	u.Loaded = &facts.Loaded{ActiveState: s.one("active", "failed"), SubState: s.one("a", "b"), Restarts: s.IntN(4)}
	u.Containers = nil
	for range s.IntN(3) {
		u.Containers = append(u.Containers, s.container())
	}
}

func (s *small) fresh() {
	s.doc = document()
	for i := range s.IntN(4) {
		s.doc.Units = append(s.doc.Units, facts.Unit{Name: fmt.Sprintf("u%d.service", i)})
		s.unit(&s.doc.Units[i])
	}
	s.head()
}

func (s *small) head() {
	s.doc.User.Linger, s.doc.User.Name = s.IntN(2) == 0, s.one("ada", "bob")
	s.doc.Manager.State = s.one("running", "degraded")
	s.doc.Podman.Unowned = nil
	for range s.IntN(2) {
		s.doc.Podman.Unowned = append(s.doc.Podman.Unowned, s.container())
	}
}

// change changes one part of the document, and its time.
func (s *small) change() {
	units := append([]facts.Unit{}, s.doc.Units...)
	if n := len(units); n > 0 && s.IntN(3) > 0 {
		s.unit(&units[s.IntN(n)])
	} else {
		s.head()
	}
	s.doc.Units = units
	s.doc.CollectedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(s.IntN(3)) * time.Hour)
}

// Whatever a rule looks at, what is remembered gives the same as deciding anew: rules that
// are made at random, on documents that change a little.
func TestRememberedRulesAreTheSame(t *testing.T) {
	for _, seed := range []uint64{1, rand.Uint64()} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := &small{Rand: rand.New(rand.NewPCG(seed, 3))}
			perUnit, decided := 0, 0
			for range 120 {
				body := []string{}
				for range 1 + s.IntN(3) {
					body = append(body, conditions[s.IntN(len(conditions))])
				}
				rule := fmt.Sprintf(heads[s.IntN(len(heads))], scoped(body)) + helpers
				p, err := Load(t.Context(), fixture.WithRule("\n"+rule), Options{Trusted: true})
				if err != nil {
					t.Fatalf("%v\nof\n%s", err, rule)
				}
				if p.Invariants()[0].Scope.PerUnit() {
					perUnit++
				}
				remembering, _ := counted(p, NewMemory())
				for i := range 20 {
					if i%10 == 0 {
						s.fresh()
					} else {
						s.change()
					}
					want := verdicts(t, p, s.doc)
					decided += strings.Count(want, `"effect":"block"`)
					if got := verdicts(t, remembering, s.doc); got != want {
						t.Fatalf("it is\n%s\nwant\n%s\nof\n%s", got, want, rule)
					}
				}
			}
			if perUnit < 20 || perUnit > 100 || decided < 200 {
				t.Errorf("%d of 120 rules are per unit, and found %d times: too few to show anything", perUnit, decided)
			}
		})
	}
}

// scoped puts conditions together. Where there are several, each one's variables are its own.
func scoped(conditions []string) string {
	if len(conditions) == 1 {
		return conditions[0]
	}
	var parts []string
	for _, c := range conditions {
		if strings.HasPrefix(c, "not ") || strings.HasPrefix(c, "every ") || !strings.Contains(c, ";") && !strings.Contains(c, "some ") && !strings.Contains(c, ":=") && !strings.Contains(c, " = ") {
			parts = append(parts, c)
			continue
		}
		parts = append(parts, "count([1 | "+c+"]) > 0")
	}
	return strings.Join(parts, "; ")
}
