package rollout

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/fleet"
	"stackpolicy/fleet/release"
	"stackpolicy/policies"
)

var mutations = flag.Int("mutations", 12, "how many mutated releases TestMutatedReleases tries; 200 take two minutes")

// someRules are the built-in ones of a few invariants, as a whole folder.
func someRules() (files []policy.File) {
	wanted := []string{"linger_enabled", "unit_not_failed", "stack_running", "wanted_is_running", "no_ghost_failure"}
	for _, f := range policy.Open(policies.FS, "").Files {
		parts := strings.Split(f.Name, "/")
		if parts[0] != "invariants" || slices.Contains(wanted, parts[1]) {
			files = append(files, f)
		}
	}
	return files
}

// mutateRules are what may go wrong with rules, by mistake or on purpose.
var mutateRules = map[string]func(r *rand.Rand, rule string) string{
	"nothing": func(_ *rand.Rand, rule string) string { return rule },
	"bytes are lost": func(r *rand.Rand, rule string) string {
		at := r.IntN(len(rule) - 10)
		return rule[:at] + rule[at+1+r.IntN(9):]
	},
	"a condition is lost": func(r *rand.Rand, rule string) string {
		lines := strings.Split(rule, "\n")
		var conditions []int
		for i, l := range lines {
			if regexp.MustCompile(`^\t(not )?[a-z_.]+(\(|\.| ==|$)`).MatchString(l) {
				conditions = append(conditions, i)
			}
		}
		if len(conditions) > 0 {
			i := conditions[r.IntN(len(conditions))]
			lines = slices.Delete(lines, i, i+1)
		}
		return strings.Join(lines, "\n")
	},
	"a condition is the other way round": func(_ *rand.Rand, rule string) string { return strings.Replace(rule, "\tnot ", "\t", 1) },
	"tickets are pages":                  func(_ *rand.Rand, rule string) string { return strings.ReplaceAll(rule, `"ticket"`, `"page"`) },
	"it finds something everywhere": func(_ *rand.Rand, rule string) string {
		return rule + "\nfinding contains {\"subject\": \"host\", \"effect\": \"block\", \"severity\": \"page\", \"message\": \"x\", \"evidence\": {\"case\": \"x\"}}\n"
	},
	"it asks for an action": func(_ *rand.Rand, rule string) string {
		return strings.Replace(rule, `"effect": "block"`, `"effect": "heal", "action": "restart"`, 1)
	},
	"it fails": func(_ *rand.Rand, rule string) string {
		return rule + "\nfinding contains {\"subject\": \"host\", \"effect\": \"block\", \"message\": \"x\", \"evidence\": {}} if time.parse_rfc3339_ns(input.schema) > 0\n"
	},
	"it takes long": func(_ *rand.Rand, rule string) string {
		return rule + "\nfinding contains {\"subject\": \"host\", \"effect\": \"block\", \"message\": \"x\", \"evidence\": {}} if count({z | some x in numbers.range(1, 5000); some y in numbers.range(1, 5000); z := (x * y) % 7}) > 7\n"
	},
}

func mutated(t *testing.T, r *rand.Rand) (kind string, files []policy.File) {
	t.Helper()
	names := slices.Sorted(maps.Keys(mutateRules))
	kind, files = names[r.IntN(len(names))], someRules()
	for {
		f := &files[r.IntN(len(files))]
		if strings.HasPrefix(f.Name, "invariants/") && strings.HasSuffix(f.Name, ".rego") {
			f.Text = []byte(mutateRules[kind](r, string(f.Text)))
			return kind, files
		}
	}
}

// believer is a host, and what the test saw of it.
type believer struct {
	*world
	name   string
	seen   map[int64]*Observed // of a version in shadow
	audits map[int64]int
	active int64
	ever   map[int64]release.Plan // plans as this host has pulled them
}

// TestMutatedReleases: of mutated rule sets, signed by who may, none acts on a host whose stage
// is not open, none that cannot decide or pages without need, and none that was halted or has
// expired. The test counts itself what each host saw.
func TestMutatedReleases(t *testing.T) {
	docs := documents(t)
	r := rand.New(rand.NewPCG(1, 2))
	w := newWorld(t)
	loaded := rulesets{}
	inUse, err := loaded.load(t, someRules())
	if err != nil {
		t.Fatal(err)
	}
	var hosts []*believer
	for i, labels := range []map[string]string{{"role": "canary"}, {"role": "db"}, nil, nil} {
		h := w.host
		h.Dir, h.Source, h.Labels = Dir(t.TempDir()), fleet.Source{Org: "home", Host: fmt.Sprint("h", i), User: "ada"}, labels
		h.Check = func(_ context.Context, s policy.Source) error {
			_, err := loaded.load(t, s.Files)
			return err
		}
		own := *w
		own.host = h
		hosts = append(hosts, &believer{&own, fmt.Sprint(labels), map[int64]*Observed{}, map[int64]int{}, 0, map[int64]release.Plan{}})
	}
	result := map[string]int{}
	for n := range *mutations {
		kind, files := mutated(t, r)
		p := w.publishFiles(t, files, func(p *release.Plan) {
			p.Stages = []release.Stage{{Select: map[string]string{"role": "canary"}}, {Select: map[string]string{"role": "db"}, Limit: "50%"}, {}}
			p.OpenStage, p.Halted = r.IntN(4), r.IntN(8) == 0
			p.Success = release.Success{MinAudits: 1 + r.IntN(2), MaxNewPages: r.IntN(2)}
			if r.IntN(8) == 0 {
				p.Expires = w.now.Add(3 * time.Minute)
			}
		})
		for _, b := range hosts {
			b.now = w.now
			for range 3 {
				b.step(t, loaded, inUse, docs[(n+b.audits[p.Version])%len(docs)])
			}
			if b.active == p.Version {
				result[kind+": active"]++
			} else {
				result[kind+": not active"]++
			}
		}
		w.now = w.now.Add(10 * time.Minute)
		if n%3 == 2 { // the next stage is opened, or closed
			w.amend(t, func(p *release.Plan) { p.OpenStage = r.IntN(4); p.Expires = w.now.Add(time.Hour) })
		}
	}
	t.Log(result)
	if *mutations > 100 && result["nothing: active"] == 0 || result["it fails: active"] > 0 || result["it takes long: active"] > 0 {
		t.Errorf("what became active: %v", result)
	}
}

// step pulls, audits and checks that a release only became active if it may.
func (b *believer) step(t *testing.T, loaded rulesets, floor *decide.Policies, doc *facts.Document) {
	t.Helper()
	_ = b.pull() // refused rules are an error
	b.became(t)
	b.now = b.now.Add(time.Minute)
	active, err := b.host.Active()
	if err != nil {
		t.Fatal(err)
	}
	candidate, err := b.host.Candidate()
	if err != nil {
		t.Fatal(err)
	}
	rules, used, shadow := floor, Observed{}, Observed{}
	if active != nil {
		rules = loaded.must(t, active)
	}
	found := decided(t, rules, doc)
	if active != nil {
		used = Compare(active.Plan.Version, nil, found.Decisions)
	}
	if candidate != nil {
		v := candidate.Plan.Version
		shadow = Compare(v, found.Decisions, decided(t, loaded.must(t, candidate), doc).Decisions)
		seen := b.seen[v]
		if seen == nil {
			seen = &Observed{}
			b.seen[v] = seen
		}
		b.audits[v]++
		seen.Errors = append(seen.Errors, shadow.Errors...)
		seen.NewPages = slices.Compact(slices.Sorted(slices.Values(append(seen.NewPages, shadow.NewPages...))))
	}
	if _, err := b.host.Record(shadow, used, b.now); err != nil {
		t.Fatal(err)
	}
	b.became(t)
}

// became checks a release that became active since it was last asked.
func (b *believer) became(t *testing.T) {
	t.Helper()
	s := b.status(t)
	if s.Newest != nil {
		b.ever[s.Newest.Version] = *s.Newest
	}
	before := b.active
	if b.active = b.world.active(t); b.active == before || b.active < before {
		return // the same, or it went back
	}
	p, seen := b.ever[b.active], b.seen[b.active]
	stage := p.StageOf(b.host.Source, b.host.Labels)
	switch {
	case seen == nil || b.audits[b.active] < p.Success.MinAudits:
		t.Fatalf("%s: release %d acts after %d audits in shadow", b.name, b.active, b.audits[b.active])
	case stage < 0 || stage >= p.OpenStage:
		t.Fatalf("%s: release %d acts in stage %d, and %d are open", b.name, b.active, stage, p.OpenStage)
	case p.Halted || b.now.After(p.Expires):
		t.Fatalf("%s: release %d acts although it was halted (%v) or expired", b.name, b.active, p.Halted)
	case len(seen.Errors) > 0 || len(seen.NewPages) > p.Success.MaxNewPages:
		t.Fatalf("%s: release %d acts after %+v", b.name, b.active, seen)
	}
}

func decided(t *testing.T, p *decide.Policies, doc *facts.Document) decide.Result {
	t.Helper()
	result, err := p.Decide(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// rulesets are what was loaded, or why it was not, by content.
type rulesets map[string]ruleset

type ruleset struct {
	policies *decide.Policies
	err      error
}

func (l rulesets) load(t *testing.T, files []policy.File) (*decide.Policies, error) {
	t.Helper()
	var key bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&key, "%s %s\n", f.Name, f.Text)
	}
	r, isKnown := l[key.String()]
	if !isKnown {
		r.policies, r.err = decide.LoadSource(t.Context(), policy.Source{Files: files}, decide.Options{Limit: 100 * time.Millisecond})
		l[key.String()] = r
	}
	return r.policies, r.err
}

func (l rulesets) must(t *testing.T, r *Release) *decide.Policies {
	t.Helper()
	p, err := l.load(t, policy.Open(os.DirFS(r.Rules), "").Files)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// documents are recorded facts: all good, and one with findings to page about.
func documents(t *testing.T) (docs []*facts.Document) {
	t.Helper()
	for _, name := range []string{"good", "page"} {
		f, err := os.Open("../../testdata/facts/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		doc, err := facts.Read(name, f)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, doc)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return docs
}
