package daily

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/history"
	"stackpolicy/internal/text"
	"stackpolicy/report/look"
	"stackpolicy/report/timeline"
)

// only is an input with one look at web.service, from nine to ten of ten.
func only(doc *facts.Document, occurrences ...history.Occurrence) Input {
	s := span(clockTime(9, 0), clockTime(10, 0), 0, "now")
	in := Input{Record: timeline.Record{Now: clockTime(10, 0), Since: clockTime(9, 0), LastAudit: &s, Spans: []history.AuditSpan{s}, Document: doc, Occurrences: occurrences, Class: class}}
	if doc != nil {
		in.Snapshots = map[string]timeline.Snapshot{"now": timeline.SnapshotOf(doc)}
	}
	return in
}

func TestStates(t *testing.T) {
	web := snapshotOf(stack("web", "active"))
	half := ptr(clockTime(9, 30))
	cases := map[string]struct {
		in   Input
		want string
	}{
		"in order":                      {only(web), "100 % in order"},
		"page":                          {only(web, found(1, "x", "web.service", "page", "m", clockTime(9, 0), half)), "50 % in order, page 30 min"},
		"to heal":                       {only(web, healing(found(1, "x", "web.service", "ticket", "m", clockTime(9, 0), half), "planned")), "50 % in order, ticket 30 min"},
		"heal failed":                   {only(web, healing(found(1, "x", "web.service", "ticket", "m", clockTime(9, 0), half), "heal-failed")), "50 % in order, page 30 min"},
		"waived":                        {only(web, waivedUntil(found(1, "x", "web.service", "page", "m", clockTime(9, 0), half), today, "r")), "100 % in order"},
		"healed at once":                {only(web, healing(found(1, "x", "web.service", "ticket", "m", *half, half), "healed")), "98.3 % in order, ticket 1 min"},
		"undecided on the host":         {only(web, found(1, "x", "host", "unknown", "m", clockTime(9, 0), half)), "50 % in order, unknown 30 min"},
		"undecided, of stacks":          {only(web, found(1, "stack_running", "host", "unknown", "m", clockTime(9, 0), half)), "50 % in order, unknown 30 min"},
		"undecided, of the host":        {only(web, found(1, "linger_enabled", "host", "unknown", "m", clockTime(9, 0), half)), "100 % in order"},
		"another unit's":                {only(web, found(1, "x", "mail.service", "page", "m", clockTime(9, 0), half)), "100 % in order"},
		"no snapshot":                   {only(nil, found(1, "x", "web.service", "page", "m", clockTime(9, 0), half)), "50 % in order, page 30 min"},
		"waived, and nobody looked":     {without(only(web, waivedUntil(found(1, "x", "web.service", "page", "m", clockTime(9, 0), nil), today, "r"))), "0 % in order, not observed 1 h"},
		"not managed then":              {before(only(web), timeline.Snapshot{Whole: true}), "0 % in order, not observed 1 h"},
		"who could not look knows none": {before(only(web), timeline.Snapshot{Whole: false}), "100 % in order"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := words(Build(c.in), "web.service"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// without is an input of which the audits are forgotten, but the last.
func without(in Input) Input {
	in.Spans = nil
	return in
}

// before is an input whose audits saw another snapshot.
func before(in Input, s timeline.Snapshot) Input {
	in.Snapshots = map[string]timeline.Snapshot{"now": s}
	return in
}

func TestFalseSuccess(t *testing.T) {
	half := ptr(clockTime(9, 30))
	active, inactive := snapshotOf(stack("web", "active")), snapshotOf(stack("web", "inactive"))
	deaf := snapshotOf(stack("web", "active"))
	deaf.Collectors["podman"] = facts.CollectorStatus{Error: "no answer"}
	down := func(severity finding.Severity, until *time.Time) history.Occurrence {
		return found(1, timeline.StackRunning, "web.service", severity, "m", clockTime(9, 0), until)
	}
	cases := map[string]struct {
		in   Input
		want string
	}{
		"up":                          {only(active), "In 0 of 7 observations"},
		"down and active":             {only(active, down("page", nil)), "In 7 of 7 observations"},
		"down, and waived":            {only(active, waivedUntil(down("page", nil), today, "r")), "In 7 of 7 observations"},
		"down and inactive":           {only(inactive, down("page", nil)), "In 0 of 7 observations"},
		"found and healed at once":    {only(active, healing(found(1, timeline.StackRunning, "web.service", "ticket", "m", *half, half), "healed")), "In 1 of 7 observations"},
		"another invariant":           {only(active, found(1, "file_declared", "web.service", "page", "m", clockTime(9, 0), nil)), "In 0 of 7 observations"},
		"undecided":                   {only(active, down("unknown", nil)), "In 0 of 7 observations"},
		"podman did not answer":       {only(deaf, down("page", nil)), "No audit"},
		"the snapshot is gone":        {only(nil, down("page", nil)), "No audit"},
		"half of it is in the window": {halved(only(active, down("page", nil))), "In 4 of 4 observations"},
		"nothing":                     {nothing(), "No audit"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Build(c.in).False.About; !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func halved(in Input) Input {
	in.Since = clockTime(9, 30)
	return in
}

func TestLatency(t *testing.T) {
	in := only(nil,
		found(1, "a", "a.service", "page", "m", clockTime(9, 0), nil),
		found(2, "b", "a.service", "page", "m", clockTime(9, 0), nil),
		found(3, "c", "a.service", "ticket", "m", clockTime(9, 0), nil),
		found(4, "before", "a.service", "page", "m", clockTime(8, 0), nil),
		found(5, "undecided", "a.service", "unknown", "m", clockTime(9, 0), nil),
		waivedUntil(found(6, "waived", "a.service", "page", "m", clockTime(9, 0), nil), today, "r"),
	)
	if got := Build(in).Latency; got.Measured != "" || got.About != "No delivery of an alert is recorded." {
		t.Errorf("without deliveries: %+v", got)
	}
	in.FirstSent = map[int64]time.Time{}
	if got := Build(in).Latency; got.About != "Of 3 new findings in this time, none was delivered to a sink." {
		t.Errorf("none delivered: %+v", got)
	}
	for id, took := range map[int64]time.Duration{1: 2 * time.Second, 2: 8 * time.Second, 4: time.Hour, 5: time.Hour, 6: time.Hour} {
		in.FirstSent[id] = clockTime(9, 0).Add(took)
	}
	if got := Build(in).Latency; got.Measured != "2 of 3" || got.Median != "5 s" || got.Most != "8 s" {
		t.Errorf("two of three: %+v", got)
	}
}

func TestStatus(t *testing.T) {
	cases := map[string]struct {
		age, exit, want int
		word            string
	}{
		"fresh":              {10, 1, 1, "WARNING"},
		"critical":           {10, 2, 2, "CRITICAL"},
		"at the limit":       {24, 0, 0, "OK"},
		"stale":              {25, 0, 3, "STALE"},
		"stale and critical": {25, 2, 3, "STALE"},
		"from the future":    {-60, 0, 3, "STALE"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			now := clockTime(12, 0)
			last := now.Add(-time.Duration(c.age) * time.Minute)
			s := span(last, last, c.exit, "")
			st := Status{Now: now, LastAudit: &s}
			if got := st.ExitCode(); got != c.want {
				t.Errorf("exit status %d, want %d", got, c.want)
			}
			var out strings.Builder
			if err := WriteStatus(&out, st); err != nil || !strings.HasPrefix(out.String(), c.word+": ") {
				t.Errorf("got %q, %v, want %s", out.String(), err, c.word)
			}
		})
	}
	if got := (Status{Now: today}).ExitCode(); got != 3 {
		t.Errorf("no audit: exit status %d, want 3", got)
	}
}

// TestStatusOfAGap: what one collector leaves undecided is one line.
func TestStatusOfAGap(t *testing.T) {
	now := clockTime(12, 0)
	last := span(now, now, 2, "")
	last.Gaps = []string{
		"applied: rests on the files collector: rests on the systemd collector: no manager", "config: no unit is managed",
		"files: rests on the systemd collector: no manager", "systemd: no manager",
	}
	st := Status{Now: now, LastAudit: &last, Occurrences: []history.Occurrence{found(1, "user_manager_running", "host", "page", "no manager", now, nil)}}
	for i, id := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		x := found(int64(i+2), id, "host", "unknown", "cannot be verified", now, nil)
		x.Evidence = map[string]any{"case": finding.CaseGap, "collector": "systemd"}
		st.Occurrences = append(st.Occurrences, x)
	}
	var out strings.Builder
	if err := WriteStatus(&out, st); err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(out.String(), "\n\n")
	want := "  PAGE     host: user_manager_running, since 12:00 (0 s)\n    no manager\n    explain: `stackpolicy explain host user_manager_running`\n" +
		"  not collected: config: no unit is managed\n  not collected: systemd: no manager\n"
	if shown != want {
		t.Errorf("got:\n%s\nwant:\n%s", shown, want)
	}
	st.LastAudit.Gaps = nil
	out.Reset()
	if err := WriteStatus(&out, st); err != nil || !strings.Contains(out.String(), "UNKNOWN  host: a,") {
		t.Errorf("without the gap the findings are there; got %v\n%s", err, &out)
	}
}

// TestLayers: what belongs, what does not, and what is of no effect.
func TestLayers(t *testing.T) {
	cases := map[string]struct {
		file  facts.File
		class string
		says  string
	}{
		"declared":             {facts.File{State: "declared", Origin: "user", Effective: true, Loaded: true}, "ok", "as declared · in effect · the user's folder"},
		"stranger":             {facts.File{State: "undeclared", Origin: "etc", Effective: true, Loaded: true}, "intruder", "not declared · in effect · /etc, the system's"},
		"stranger, not loaded": {facts.File{State: "undeclared", Origin: "control", Effective: true}, "intruder", "not declared · not loaded yet · set at run time (user.control)"},
		"shadowed":             {facts.File{State: "undeclared", Origin: "etc"}, "off", "not declared · without effect: another file has priority · /etc, the system's"},
		"a distribution's":     {facts.File{State: "undeclared", Origin: "distribution", Effective: true, Loaded: true}, "note", "not declared · in effect · the distribution's folder"},
		"mask":                 {facts.File{State: "mask", Origin: "user", Effective: true, Loaded: true}, "intruder", "a mask · in effect · the user's folder"},
		"missing":              {facts.File{State: "missing", Kind: "missing", Origin: "user", Loaded: true}, "note", "missing · still loaded · the user's folder"},
		"changed":              {facts.File{State: "declared", Origin: "user", Effective: true, Loaded: true, ChangedAfterLoad: true}, "ok", "as declared · changed since it was loaded · the user's folder"},
		"a new state":          {facts.File{State: "<new>", Origin: "new", Effective: true, Loaded: true}, "note", "<new> · in effect · from elsewhere"},
		"outranked, loaded":    {facts.File{State: "declared", Origin: "user", Loaded: true}, "ok", "as declared · loaded, but another file replaced it · the user's folder"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.file.Role = "dropin"
			got := layer(c.file, nil)
			if got.Class != c.class || got.Says != c.says {
				t.Errorf("got %s %q, want %s %q", got.Class, got.Says, c.class, c.says)
			}
		})
	}
}

func TestWords(t *testing.T) {
	for part, want := range map[float64]string{0: "0 %", 0.01: "under 0.1 %", 12.5: "12.5 %", 50: "50 %", 99.99: "over 99.9 %", 100: "100 %"} {
		if got := share(part, 100); got != want {
			t.Errorf("share(%v) = %q, want %q", part, got, want)
		}
	}
}

// TestClean: whatever comes from outside, every text of a model is harmless and
// short.
func TestClean(t *testing.T) {
	seen := 0
	walk("model", reflect.ValueOf(Build(hostile("http://127.0.0.1:1"))), func(path, s string) {
		seen++
		if strings.HasSuffix(path, ".key") {
			return
		}
		if text.Clean(s) != s {
			t.Errorf("%s is not clean: %q", path, s)
		}
		if len([]rune(s)) > 3*look.MaxSentence && !strings.HasSuffix(path, ".Path") {
			t.Errorf("%s has %d runes", path, len([]rune(s)))
		}
	})
	if seen < 500 {
		t.Errorf("only %d texts were looked at", seen)
	}
}

func walk(path string, v reflect.Value, do func(path, s string)) {
	switch v.Kind() {
	case reflect.String:
		do(path, v.String())
	case reflect.Struct:
		for i := range v.NumField() {
			walk(path+"."+v.Type().Field(i).Name, v.Field(i), do)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(path, v.Index(i), do)
		}
	}
}
