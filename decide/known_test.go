package decide

import (
	"context"
	"errors"
	"testing"

	"stackpolicy/decide/internal/fixture"
	"stackpolicy/decide/policy"
)

// loader counts how often it loads.
type loader struct{ times int }

func (l *loader) load(ctx context.Context, source policy.Source, opts Options) (*Policies, error) {
	l.times++
	return loadSource(ctx, source, opts)
}

// Policies that were loaded before are loaded again when a rule must be evaluated, and not
// before.
func TestKnownPolicies(t *testing.T) {
	var l loader
	memory := NewMemory()
	known := func(over map[string]string, program string) *Policies {
		t.Helper()
		opts := Options{Memory: memory, Program: program}.withDefaults()
		p, err := Remembered(t.Context(), policy.Open(fixture.Folder(over), "rules"), opts, l.load)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	loads := func(what string, want int) {
		t.Helper()
		if l.times != want {
			t.Errorf("%s: loaded %d times, want %d", what, l.times, want)
		}
		l.times = 0
	}
	doc := document("a.service")
	doc.Units[0].Loaded.LoadState = "error"
	first := known(nil, "p")
	want := verdicts(t, first, doc)
	loads("the first time", 1)

	again := known(nil, "p")
	if got := verdicts(t, again, doc); got != want {
		t.Errorf("then it is\n%s\nwant\n%s", got, want)
	}
	if again.Digest() != first.Digest() || len(again.Invariants()) != 1 || again.Invariants()[0].Runbook.File != first.Invariants()[0].Runbook.File {
		t.Errorf("then the policies are %+v", again.Invariants())
	}
	loads("unchanged", 0)

	doc.Units[0].Loaded.SubState = "other"
	if got := verdicts(t, again, doc); got != want {
		t.Errorf("with other facts it is\n%s\nwant\n%s", got, want)
	}
	loads("other facts", 1)
	known(nil, "q")
	loads("another program", 1)
	known(map[string]string{"settings.yaml": "settings:\n  restart: [web.service]\n"}, "p")
	loads("other settings", 1)
	for _, kept := range memory.(*notes).answers {
		kept.text = kept.text[:len(kept.text)-1]
	}
	if got := verdicts(t, known(nil, "p"), doc); got != want {
		t.Errorf("with a damaged memory it is\n%s\nwant\n%s", got, want)
	}
	loads("a damaged memory", 1)
}

// A folder that is refused is refused each time, and one that cannot be loaded any more
// passes nothing.
func TestKnownPoliciesThatFail(t *testing.T) {
	memory := NewMemory()
	for range 2 {
		_, err := Load(t.Context(), fixture.WithRule("finding contains 1 if input.nothing"), Options{Memory: memory})
		if refusal := (*policy.Refusal)(nil); !errors.As(err, &refusal) {
			t.Errorf("got %v", err)
		}
	}
	source := policy.Open(fixture.Folder(nil), "")
	opts := Options{Memory: memory}.withDefaults()
	if _, err := Remembered(t.Context(), source, opts, loadSource); err != nil {
		t.Fatal(err)
	}
	broken := func(context.Context, policy.Source, Options) (*Policies, error) { return nil, errors.New("no process") }
	p, err := Remembered(t.Context(), source, opts, broken)
	if err != nil {
		t.Fatal(err)
	}
	got := decide(t, p, document("a.service"))
	if len(got) != 1 || got[0].Message != "cannot be decided: no process" || !got[0].IsUnknown() {
		t.Errorf("got %+v", got)
	}
}
