package release

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stackpolicy/fleet"
)

func plan() Plan {
	return Plan{
		Schema: PlanSchema, Channel: "stable", Version: 3, Previous: 2, Bundle: strings.Repeat("0", 64), Expires: noon,
		Stages: DefaultStages(), Success: DefaultSuccess(),
	}
}

func TestPlan(t *testing.T) {
	text, err := plan().Text()
	must(t, err)
	got, err := ParsePlan(text)
	if err != nil || !got.Equal(plan()) {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, change := range map[string]func(*Plan){
		"schema": func(p *Plan) { p.Schema = "v2" }, "channel": func(p *Plan) { p.Channel = "../x" },
		"version": func(p *Plan) { p.Version = 0 }, "previous": func(p *Plan) { p.Previous = 3 },
		"expires": func(p *Plan) { p.Expires = time.Time{} }, "bundle": func(p *Plan) { p.Bundle = "x" },
		"program": func(p *Plan) { p.MinimumProgram = "new" }, "no stages": func(p *Plan) { p.Stages = nil },
		"open": func(p *Plan) { p.OpenStage = 5 }, "limit": func(p *Plan) { p.Stages[1].Limit = "10" },
		"nothing": func(p *Plan) { p.Stages[1].Limit = "0%" }, "more than all": func(p *Plan) { p.Stages[1].Limit = "101%" },
		"no number": func(p *Plan) { p.Stages[1].Limit = "NaN%" },
		"label":     func(p *Plan) { p.Stages[0].Select = map[string]string{"a b": "c"} },
		"audits":    func(p *Plan) { p.Success.MinAudits = 0 }, "pages": func(p *Plan) { p.Success.MaxNewPages = -1 },
		"reason": func(p *Plan) { p.Reason = "a\nb" },
	} {
		p := plan()
		change(&p)
		if p.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := ParsePlan([]byte(strings.Replace(string(text), `"version"`, `"only_on": "x", "version"`, 1))); err == nil {
		t.Error("a key that is not known")
	}
}

func TestFollows(t *testing.T) {
	older, other, amended := plan(), plan(), plan()
	older.Version, other.Bundle, amended.Halted = 2, strings.Repeat("1", 64), true
	if older.Follows(plan()) == nil || other.Follows(plan()) == nil {
		t.Error("an older version, or another bundle, follows")
	}
	if err := amended.Follows(plan()); err != nil {
		t.Error(err)
	}
}

func host(i int) fleet.Source {
	return fleet.Source{Org: "home", Host: fmt.Sprint("host", i), User: "ada"}
}

// TestStageOf: a limit has about its share of the hosts, and all of those of a lower limit; and
// of another version other hosts are the first.
func TestStageOf(t *testing.T) {
	const hosts = 10_000
	p := plan()
	count := map[int]int{}
	moved := 0
	next := plan()
	next.Version++
	for i := range hosts {
		stage := p.StageOf(host(i), nil)
		count[stage]++
		if (stage == 1) != (next.StageOf(host(i), nil) == 1) {
			moved++
		}
		if got := p.StageOf(host(i), map[string]string{"role": "canary", "site": "a"}); got != 0 {
			t.Fatalf("a canary is in stage %d", got)
		}
		if got := p.StageOf(host(i), map[string]string{"role": "db"}); got != stage {
			t.Fatalf("another label changes the stage to %d", got)
		}
	}
	for stage, want := range map[int]int{1: hosts / 10, 2: hosts * 4 / 10, 3: hosts / 2} {
		if got := count[stage]; got < want*9/10 || got > want*11/10 {
			t.Errorf("stage %d has %d hosts, want about %d", stage, got, want)
		}
	}
	if moved < hosts/10 {
		t.Errorf("of another version nearly the same hosts are the first: %d differ", moved)
	}
	p.Stages = p.Stages[:2]
	if got := p.StageOf(fleet.Source{}, nil); got != NoStage {
		t.Errorf("a source without a name is in stage %d", got)
	}
}

func TestIsOpen(t *testing.T) {
	p := plan()
	for open := range 5 {
		p.OpenStage = open
		for stage := NoStage; stage < 4; stage++ {
			if got := p.IsOpen(stage); got != (stage >= 0 && stage < open) {
				t.Errorf("%d open, stage %d: %v", open, stage, got)
			}
		}
	}
	p.Halted = true
	if p.IsOpen(0) {
		t.Error("open although it is halted")
	}
}

func FuzzParsePlan(f *testing.F) {
	text, err := plan().Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePlan(text)
		if err != nil {
			return
		}
		again, err := p.Text()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParsePlan(again); err != nil || !back.Equal(p) {
			t.Errorf("%+v becomes %+v, %v", p, back, err)
		}
	})
}
