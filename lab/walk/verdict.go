package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stackpolicy/audit"
	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/facts"
	"stackpolicy/policies"
)

// How long a comparison waits: until there was no line for quiet, at most settling; and then
// within, for a watch that is still at work.
const (
	quiet    = 300 * time.Millisecond
	settling = 3 * time.Second
	within   = 2500 * time.Millisecond
	slowness = 4 // times as long as a collection takes
	patience = 12 * time.Second
)

// compare returns how the watch and a fresh audit differ; "" if they do not.
func (w *world) compare() (string, error) {
	start := time.Now()
	time.Sleep(quiet)
	for w.watch.since() < quiet && time.Since(start) < settling {
		time.Sleep(20 * time.Millisecond)
	}
	began := time.Now()
	for w.tries = 1; ; w.tries++ {
		asked := time.Now()
		want, message, err := w.decide()
		if err != nil || w.ctx.Err() != nil {
			return "", err
		}
		limit := max(within, slowness*time.Since(asked)) // a busy machine is slow for all
		got, fault := w.watch.verdict(want), w.watch.fault()
		if fault == "" && maps.Equal(want, got) {
			w.slowest = max(w.slowest, asked.Sub(start))
			return "", nil
		}
		if fault == "" && time.Since(began) < limit {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		want, message, err = w.audit()
		isRight := fault == "" && (maps.Equal(want, got) || maps.Equal(want, w.watch.verdict(want))) // the clock may have changed it in between
		if err != nil || isRight {
			return "", err
		}
		return fmt.Sprintf("%s\n-audit +watch after %s:\n%s%s%s", fault, time.Since(start).Round(time.Millisecond), difference(want, got, message), w.rightAfter(want), w.explain()), nil
	}
}

func difference(want, got verdict, message map[about]string) string {
	var lines []string
	for k, s := range want {
		if got[k] != s {
			lines = append(lines, fmt.Sprintf("  %s %s - %v %s", k.Subject, k.Invariant, s, message[k]))
		}
	}
	for k, s := range got {
		if want[k] != s {
			lines = append(lines, fmt.Sprintf("  %s %s + %v", k.Subject, k.Invariant, s))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// undecided is the verdict if the configuration or the rules cannot be read.
var undecided = verdict{{"host", "audit_complete"}: {"block", "unknown", false}}

// rightAfter says whether the watch is late, or wrong.
func (w *world) rightAfter(want verdict) string {
	if w.patience == 0 {
		return ""
	}
	for start := time.Now(); time.Since(start) < w.patience; time.Sleep(50 * time.Millisecond) {
		if maps.Equal(want, w.watch.verdict(want)) {
			return fmt.Sprintf("It was right another %s later.\n", time.Since(start).Round(time.Millisecond))
		}
	}
	return "It was wrong after that, too.\n"
}

// decide returns the verdict on a fresh document, without a program that loads all rules.
func (w *world) decide() (verdict, map[about]string, error) {
	r := w.Do(w.Command(w.ctx, "stackpolicy", "facts"))
	if r.Out == "" && r.Code == 3 {
		return undecided, map[about]string{{"host", "audit_complete"}: r.Err}, nil
	}
	doc, err := facts.Read("of the walk", strings.NewReader(r.Out))
	if err != nil {
		return nil, nil, fmt.Errorf("%w (status %d) %.500s", err, r.Code, r.Err)
	}
	dir := filepath.Join(w.Home, "rules")
	source := policy.Open(os.DirFS(dir), dir).Over(policy.Open(policies.FS, ""))
	result, err := audit.Audit{
		Source: audit.Recorded(func() (*facts.Document, error) { return doc, nil }),
		Load:   func(ctx context.Context) (*decide.Policies, error) { return w.load(ctx, source) },
	}.Run(w.ctx)
	if err != nil {
		return undecided, map[about]string{{"host", "audit_complete"}: err.Error()}, nil
	}
	var found []decision
	for _, f := range result.Report.Open() {
		d := decision{Subject: f.Subject, Invariant: f.Invariant, Effect: string(f.Effect), Severity: string(f.Severity), Message: f.Message}
		if f.Waiver != nil {
			d.Waiver = &struct{ Reason string }{f.Waiver.Reason}
		}
		found = append(found, d)
	}
	v, message := worst(found)
	return v, message, nil
}

func compareAbout(a, b about) int {
	return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Invariant, b.Invariant))
}

// maxLoaded bounds how many settings are kept loaded.
const maxLoaded = 30

func (w *world) load(ctx context.Context, source policy.Source) (*decide.Policies, error) {
	key := fmt.Sprint(policy.Parse(source).Digest)
	if p := w.loaded[key]; p != nil {
		return p, nil
	}
	p, err := decide.LoadSource(ctx, source, decide.Options{})
	if err != nil {
		return nil, err
	}
	if len(w.loaded) > maxLoaded {
		clear(w.loaded)
	}
	w.loaded[key] = p
	return p, nil
}

// audit returns the verdict of a fresh audit, with the memory of the watch but without writing
// to it: that would be a change of its own.
func (w *world) audit() (verdict, map[about]string, error) {
	home, err := w.stateHome()
	if err != nil {
		return nil, nil, err
	}
	r := w.Do(w.Command(w.ctx, "env", "XDG_STATE_HOME="+home, "stackpolicy", "eval", "-o", "json"))
	var report struct {
		Decisions []decision
		Gaps      []struct{ Error string }
	}
	if err := json.Unmarshal([]byte(r.Out), &report); err != nil {
		if r.Code == 3 {
			return undecided, map[about]string{{"host", "audit_complete"}: r.Err}, nil
		}
		return nil, nil, fmt.Errorf("eval: status %d, no report: %.500s", r.Code, r.Err)
	}
	for _, g := range report.Gaps { // one that a rule needs is a finding of it, too
		isFound := slices.ContainsFunc(report.Decisions, func(d decision) bool { return d.Severity == "unknown" && strings.Contains(d.Message, g.Error) })
		if !isFound {
			report.Decisions = append(report.Decisions, decision{Subject: "host", Invariant: "audit_complete", Effect: "block", Severity: "unknown", Message: g.Error})
		}
	}
	v, message := worst(report.Decisions)
	return v, message, nil
}

// worst returns of the findings of each invariant on each subject the worst.
func worst(found []decision) (verdict, map[about]string) {
	v, message, known := verdict{}, map[about]string{}, map[about]decision{}
	for _, d := range found {
		key := about{d.Subject, d.Invariant}
		if before, has := known[key]; d.Effect == "allow" || has && d.rank() <= before.rank() {
			continue
		}
		known[key], message[key] = d, d.Message
		v[key] = state{d.Effect, d.Severity, d.Waiver != nil}
	}
	return v, message
}

type decision struct {
	Subject, Invariant, Effect, Severity, Message string
	Waiver                                        *struct{ Reason string }
}

// rank orders findings as the watch does: what counts first, then the worst, then a block.
func (d decision) rank() int {
	rank := 0
	if d.Waiver == nil {
		rank = 100 + 2*map[string]int{"ticket": 1, "unknown": 2, "page": 3}[d.Severity]
	}
	if d.Effect == "block" {
		rank++
	}
	return rank
}

// stateHome makes a state folder in which links lead to everything in the account's own, and
// the memory is a copy.
func (w *world) stateHome() (string, error) {
	own, home := filepath.Join(w.Home, ".local/state"), filepath.Join(w.Home, ".audit-state")
	if err := os.RemoveAll(home); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(own)
	if err != nil {
		return "", fmt.Errorf("copy the memory: %w", err)
	}
	for _, e := range entries {
		if e.Name() == "stackpolicy" {
			continue
		}
		if err := w.Link(filepath.Join(own, e.Name()), filepath.Join(home, e.Name())); err != nil {
			return "", err
		}
	}
	memory := filepath.Join(own, "stackpolicy")
	files, _ := os.ReadDir(memory) // none is no memory
	for _, e := range files {
		if !e.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(memory, e.Name()))
		if err == nil {
			err = w.Write(filepath.Join(home, "stackpolicy", e.Name()), string(text))
		}
		if err != nil && !os.IsNotExist(err) {
			return "", fmt.Errorf("copy the memory: %w", err)
		}
	}
	return home, nil
}

// explain says what is on disk and in the manager.
func (w *world) explain() string {
	r := w.Do(w.Command(w.ctx, "sh", "-c", "find .config/systemd .local/share/systemd ! -type d ! -lname '*-home-manager-files/*' -printf '%p -> %l\n' 2>/dev/null | sort | tail -n 40; systemctl --user --no-pager --plain list-units --legend=no --all 'web*' 'files*' 'feeds*' 'walk*'"))
	return cmp.Or(r.Out, r.Err)
}
