package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/history"
	"stackpolicy/lab/bench/contest"
	"stackpolicy/lab/bench/past"
	"stackpolicy/policies"
)

// again measures, in this process, to decide an unchanged document of 1,000 units again, as
// replay does, and to decide it for the first time.
func (b *bench) again(ctx context.Context) ([]row, error) {
	path, err := b.document(ctx, 1000)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	doc, err := facts.Read(path, f)
	if err != nil {
		return nil, err
	}
	r := row{claim: "f", about: "1000 units, unchanged", against: "the first time", unit: "s", bound: 0.1}
	for range b.short {
		p, err := decide.Load(ctx, policies.FS, decide.Options{Trusted: true, Memory: decide.NewMemory(), Program: "bench"})
		if err != nil {
			return nil, err
		}
		series := decide.Series{}
		for _, figures := range []*[]float64{&r.theirs, new([]float64), &r.ours} { // the second finds out what reads the time
			next := *doc
			next.CollectedAt = doc.CollectedAt.Add(time.Duration(len(*figures)+1) * time.Minute)
			start := time.Now()
			if _, err := p.DecidePrepared(ctx, series.Prepare(&next)); err != nil {
				return nil, err
			}
			*figures = append(*figures, time.Since(start).Seconds())
		}
	}
	return []row{r}, nil
}

const (
	readDays  = 30
	readBound = 2 // seconds
)

// rules30Days measures replay and impact over 30 days of 50 units, against two seconds, and
// against one opa eval for each distinct document.
func (b *bench) rules30Days(ctx context.Context) ([]row, error) {
	path, err := b.document(ctx, 50)
	if err != nil {
		return nil, err
	}
	home := filepath.Join(b.scratch, "recorded")
	n, err := b.recordDays(ctx, home, readDays)
	if err != nil {
		return nil, err
	}
	layer := filepath.Join(b.scratch, "layer")
	if err := writeFile(filepath.Join(layer, "settings.yaml"), []byte("settings: {restart: [\"app*\"]}\n")); err != nil {
		return nil, err
	}
	replay := replayBy(b.stackpolicy, home, readDays)
	impact := contest.Contestant{Argv: []string{"env", "XDG_STATE_HOME=" + home, b.stackpolicy, "impact", "--policy", layer, "-o", "json"}, Ends: []int{1}}
	took, err := b.Race(ctx, b.long, replay, impact, b.opaEval(b.rules, path))
	if err != nil {
		return nil, err
	}
	var limit []float64
	for range took[0] {
		limit = append(limit, readBound)
	}
	opa := each(seconds(took[2]), 1/float64(n)) // n of them
	rows := []row{}
	for i, name := range []string{"replay", "impact"} {
		rows = append(rows,
			row{claim: "g", about: name + " of 30 days", against: "a bound", unit: "s", bound: 1, ours: seconds(took[i]), theirs: limit},
			row{claim: "g", about: "the same", against: fmt.Sprintf("%d opa eval", n), unit: "s", bound: 0.05, ours: seconds(took[i]), theirs: opa},
			row{claim: "g", about: "the same, peak memory", against: "a bound", unit: "MiB", bound: 1, ours: mebibytes(took[i]), theirs: []float64{200}})
	}
	return rows, nil
}

// replayBy is a replay, which ends with 0 only if every audit gives the same bytes.
func replayBy(program, stateHome string, days int) contest.Contestant {
	return contest.Contestant{Argv: []string{"env", "XDG_STATE_HOME=" + stateHome, program, "replay", "-o", "json", "--since", fmt.Sprintf("%dd", days+1)}, Ends: []int{0}}
}

// twoBuilds measures the replay of a year by this build of the program, and by one for
// another processor. Both give the same bytes, or it is an error.
func (b *bench) twoBuilds(ctx context.Context) ([]row, error) {
	if _, err := b.document(ctx, 50); err != nil {
		return nil, err
	}
	other := filepath.Join(b.scratch, "stackpolicy-386")
	if err := gotool(ctx, "GOARCH=386", "build", "-gcflags=all=-l", "-o", other, "stackpolicy/cmd/stackpolicy"); err != nil {
		return nil, err
	}
	home := filepath.Join(b.scratch, "year-decided")
	n, err := b.recordDays(ctx, home, 365)
	if err != nil {
		return nil, err
	}
	b.say("replay %d documents by two builds", n)
	took, err := b.Race(ctx, 1, replayBy(b.stackpolicy, home, 365), replayBy(other, home, 365))
	if err != nil {
		return nil, err
	}
	return []row{{
		claim: "h", about: "a year replayed", against: "by 386, the same", unit: "s", bound: 1.2, ours: seconds(took[0]), theirs: seconds(took[1]),
	}}, nil
}

// recordDays records the audits of 50 units, and returns how many distinct documents they have.
func (b *bench) recordDays(ctx context.Context, home string, days int) (int, error) {
	b.say("record %d days of 50 units", days)
	p, err := decide.Load(ctx, policies.FS, decide.Options{Trusted: true, Memory: decide.NewMemory(), Program: "bench"})
	if err != nil {
		return 0, err
	}
	doc, err := past.Multiply(b.recorded, 50)
	if err != nil {
		return 0, err
	}
	if err := past.Live(ctx, home, doc, time.Now(), days, p); err != nil {
		return 0, err
	}
	s, err := history.OpenReadOnly(ctx, home)
	if err != nil {
		return 0, err
	}
	spans, err := s.Audits(ctx, time.Time{}, 100_000)
	documents := map[string]bool{}
	for _, span := range spans {
		documents[span.DocumentDigest] = true
	}
	return len(documents), errors.Join(err, s.Close())
}
