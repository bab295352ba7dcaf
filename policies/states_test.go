package policies_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"text/tabwriter"
	"time"

	"stackpolicy/decide"
	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/policies"
)

var update = flag.Bool("update", false, "write testdata/states.txt again")

const statesHead = `What the rules say of each state, written by: go test ./policies -run TestStates -update

The columns are states, too; each line has its states behind the verdicts. A dot is allow.
P is a page, T a ticket, U unknown, each with the case of the finding. A star means that a
restart is asked for where settings.yaml opts in. An invariant that allows all states of
a table is not in it. States with equal verdicts share a line.
`

// TestStates keeps the verdict of each invariant on each state, as a person has checked it:
// a rule that judges a state otherwise changes the table.
func TestStates(t *testing.T) {
	b := newBook(t)
	for _, write := range []func(){b.activities, b.timers, b.loadStates, b.containers, b.host, b.collectors} {
		write()
	}
	const path = "testdata/states.txt"
	if *update {
		if err := os.WriteFile(path, b.out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.out.Bytes()) {
		t.Errorf("%s is not what the rules say; see what changed, then: go test ./policies -run TestStates -update", path)
	}
}

// book decides states, and writes tables of the verdicts.
type book struct {
	t         *testing.T
	out       *bytes.Buffer
	good      *facts.Document
	plain     *decide.Policies
	restarts  *decide.Policies // the same with every unit opted in to restarts
	invariant []string
}

func newBook(t *testing.T) *book {
	t.Helper()
	f, err := os.Open("../testdata/facts/good.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := facts.Read("good.json", f)
	if err != nil {
		t.Fatal(err)
	}
	b := &book{t: t, out: bytes.NewBufferString(statesHead), good: doc}
	b.plain, b.restarts = b.load("settings: {}\n"), b.load("settings: {restart: ['*']}\n")
	for _, i := range b.plain.Invariants() {
		b.invariant = append(b.invariant, i.ID)
	}
	return b
}

// load loads the built-in rules with the given settings.
func (b *book) load(settings string) *decide.Policies {
	b.t.Helper()
	all := fstest.MapFS{}
	err := fs.WalkDir(policies.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(policies.FS, path)
		all[path] = &fstest.MapFile{Data: content}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	all["settings.yaml"] = &fstest.MapFile{Data: []byte(settings)}
	p, err := decide.Load(b.t.Context(), all, decide.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// verdicts has, for an invariant and a subject, what was found.
type verdicts map[string]map[string]string

// decide decides a document. Where a finding asks for a restart if opted in, it has a star.
func (b *book) decide(doc *facts.Document) verdicts {
	b.t.Helper()
	stars := map[string]bool{}
	for _, d := range b.decisions(b.restarts, doc) {
		if d.Action == finding.Restart {
			stars[d.Invariant+d.Subject+d.Case()] = true
		}
	}
	all := verdicts{}
	for _, d := range b.decisions(b.plain, doc) {
		if d.IsAllowed() {
			continue
		}
		if all[d.Invariant] == nil {
			all[d.Invariant] = map[string]string{}
		}
		text := strings.ToUpper(string(d.Severity[:1])) + " " + d.Case()
		if stars[d.Invariant+d.Subject+d.Case()] {
			text += "*"
		}
		if was := all[d.Invariant][d.Subject]; was != "" && !strings.Contains(was, text) {
			text = was + ", " + text
		}
		all[d.Invariant][d.Subject] = text
	}
	return all
}

func (b *book) decisions(p *decide.Policies, doc *facts.Document) []finding.Finding {
	b.t.Helper()
	result, err := p.Decide(b.t.Context(), doc)
	if err != nil {
		b.t.Fatal(err)
	}
	return result.Decisions
}

// copied returns a copy of the good document.
func (b *book) copied() *facts.Document {
	b.t.Helper()
	text, err := json.Marshal(b.good)
	if err != nil {
		b.t.Fatal(err)
	}
	doc := &facts.Document{}
	if err := json.Unmarshal(text, doc); err != nil {
		b.t.Fatal(err)
	}
	return doc
}

// web returns the stack of the good document, with a container of each of two services.
func (b *book) web() facts.Unit {
	b.t.Helper()
	doc := b.copied()
	return doc.Units[slices.IndexFunc(doc.Units, func(u facts.Unit) bool { return u.Name == "web.service" })]
}

// change is one state: a row or a column of a table.
type change struct {
	name string
	do   func(*facts.Unit)
}

// table decides each row in each column, all as units of one document, and writes the
// matrix of each invariant that does not allow all.
func (b *book) table(title string, rows, columns []change) {
	b.t.Helper()
	doc := b.copied()
	doc.Units = nil
	name := func(row, column int) string { return fmt.Sprintf("s%d-%d.service", row, column) }
	for r, row := range rows {
		for c, column := range columns {
			u := b.web()
			column.do(&u)
			row.do(&u)
			suffix := ".service"
			if strings.HasSuffix(u.Name, ".timer") {
				suffix = ".timer"
			}
			u.Name = strings.TrimSuffix(name(r, c), ".service") + suffix
			doc.Units = append(doc.Units, u)
		}
	}
	found := b.decide(doc)
	fmt.Fprintf(b.out, "\n# %s\n", title)
	for _, id := range b.invariant {
		var lines [][]string
		for r, row := range rows {
			line := []string{row.name}
			for c := range columns {
				stem := strings.TrimSuffix(name(r, c), ".service")
				line = append(line, found[id][stem+".service"]+found[id][stem+".timer"])
			}
			lines = append(lines, line)
		}
		b.write(id, columns, lines)
	}
}

// write writes the lines of an invariant, those with equal verdicts as one; nothing if all
// are allowed.
func (b *book) write(id string, columns []change, lines [][]string) {
	head := []string{id}
	for _, c := range columns {
		head = append(head, c.name)
	}
	folded := [][]string{}
	isAllowed := true
	for _, line := range lines {
		for i := range line {
			if line[i] == "" {
				line[i] = "."
			}
		}
		isAllowed = isAllowed && !slices.ContainsFunc(line[1:], func(v string) bool { return v != "." })
		i := slices.IndexFunc(folded, func(f []string) bool { return slices.Equal(f[1:], line[1:]) })
		if i >= 0 {
			folded[i][0] += "; " + line[0]
		} else {
			folded = append(folded, slices.Clone(line))
		}
	}
	if isAllowed {
		return
	}
	fmt.Fprintf(b.out, "\n## %s\n", id)
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(head[1:], "\t")+"\t")
	for _, line := range folded {
		states := line[0]
		if !slices.ContainsFunc(line[1:], func(v string) bool { return v != "." }) {
			states = "all others"
		}
		if len(folded) == 1 {
			states = "all"
		}
		fmt.Fprintln(w, strings.Join(line[1:], "\t")+"\t"+states)
	}
	_ = w.Flush()
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(b.out, strings.TrimRight(line, " \n"))
	}
}

// ago is a time before the snapshot.
func (b *book) ago(d time.Duration) *time.Time {
	at := b.good.CollectedAt.Add(-d)
	return &at
}

// activity is a state of a unit that it has had for some time.
func (b *book) activity(active, sub string, since time.Duration, more ...func(*facts.Loaded)) change {
	name := active + "/" + sub
	switch {
	case since >= time.Hour:
		name += fmt.Sprintf(" %dh", since/time.Hour)
	case since >= time.Minute:
		name += fmt.Sprintf(" %dm", since/time.Minute)
	case since > 0:
		name += fmt.Sprintf(" %ds", since/time.Second)
	}
	return change{name, func(u *facts.Unit) {
		l := u.Loaded
		l.ActiveState, l.SubState, l.StateChange = active, sub, b.ago(max(since, time.Hour))
		if since > 0 {
			l.StateChange = b.ago(since)
		}
		if active == "failed" {
			l.Result = "exit-code"
		}
		for _, do := range more {
			do(l)
		}
	}}
}

// activities: states of the unit by what it is for. Containers run, except as a column says.
func (b *book) activities() {
	never := func(l *facts.Loaded) { l.InactiveExit, l.ActiveSince = nil, nil }
	rows := []change{
		b.activity("inactive", "dead", 0), b.activity("inactive", "dead", 0, never), b.activity("inactive", "dead", 0, func(l *facts.Loaded) { l.Condition = "not-met" }),
		b.activity("inactive", "dead", 0, func(l *facts.Loaded) { l.Result = "exec-condition" }),
		b.activity("inactive", "dead", 0, func(l *facts.Loaded) { l.Job = "start" }),
		b.activity("inactive", "dead", 0, func(l *facts.Loaded) { l.TriggeredBy = []string{"x.timer"} }),
		b.activity("activating", "start-pre", time.Minute), b.activity("activating", "start", time.Minute),
		b.activity("activating", "start", time.Hour), b.activity("activating", "start", 48*time.Hour), b.activity("activating", "start-post", time.Hour),
		b.activity("activating", "auto-restart", time.Second), b.activity("activating", "auto-restart", 10*time.Minute),
		b.activity("activating", "auto-restart-queued", time.Second),
		b.activity("active", "running", 0), b.activity("active", "exited", 0), b.activity("reloading", "reload", time.Minute), b.activity("refreshing", "refresh", time.Minute),
		b.activity("reloading", "reload", time.Hour), b.activity("refreshing", "refresh", time.Hour),
		b.activity("deactivating", "stop", time.Minute), b.activity("deactivating", "stop", time.Hour), b.activity("deactivating", "final-sigkill", time.Hour),
		b.activity("failed", "failed", 0), b.activity("maintenance", "cleaning", time.Minute), b.activity("maintenance", "cleaning", time.Hour),
	}
	rows[1].name += ", never started"
	rows[2].name += ", condition not met"
	rows[3].name += ", ExecCondition="
	rows[4].name += ", start queued"
	rows[5].name += ", an active timer starts it"
	unwanted := func(u *facts.Unit) { u.Loaded.WantedBy = []string{} }
	service := func(u *facts.Unit) {
		u.Stack, u.Containers, u.Loaded.Type, u.Loaded.RemainAfterExit = "", nil, "simple", false
	}
	job := func(u *facts.Unit) { service(u); u.Loaded.Type = "oneshot" }
	b.table("Active and sub state of a unit that is loaded", rows, []change{
		{"stack", func(*facts.Unit) {}},
		{"stack, ended", func(u *facts.Unit) { end(u) }},
		{"stack, empty", func(u *facts.Unit) { u.Containers = nil }},
		{"service", service}, {"service, unwanted", func(u *facts.Unit) { service(u); unwanted(u) }},
		{"job", job}, {"job, unwanted", func(u *facts.Unit) { job(u); unwanted(u) }},
	})
}

// end ends all containers of a unit, as the machine does that goes down.
func end(u *facts.Unit) {
	for i := range u.Containers {
		c := &u.Containers[i]
		c.State, c.Health, c.ExitCode = "exited", "", 137
	}
}

func (b *book) timers() {
	timer := func(u *facts.Unit) {
		u.Name, u.Stack, u.Containers, u.Loaded.Type, u.Loaded.Repeats = "x.timer", "", nil, "", true
		u.Loaded.Start, u.Loaded.StartPost, u.Loaded.Result, u.Loaded.WantedBy = nil, nil, "", []string{"timers.target"}
	}
	b.table("States of a timer", []change{
		b.activity("inactive", "dead", 0), b.activity("active", "waiting", 0), b.activity("active", "running", 0), b.activity("active", "elapsed", 0), b.activity("failed", "failed", 0),
	}, []change{
		{"repeats", timer}, {"once", func(u *facts.Unit) { timer(u); u.Loaded.Repeats = false }},
		{"repeats, not wanted", func(u *facts.Unit) { timer(u); u.Loaded.WantedBy = []string{} }},
	})
}

func (b *book) loadStates() {
	var columns []change
	for _, state := range []string{"loaded", "merged", "stub", "not-found", "masked", "bad-setting", "error"} {
		columns = append(columns, change{state, func(u *facts.Unit) {
			u.Loaded.LoadState = state
			if state == "not-found" || state == "stub" {
				u.Loaded.FragmentPath, u.Loaded.FragmentOrigin = "", ""
			}
		}})
	}
	b.table("Load state of a stack whose file is as declared", []change{
		b.activity("inactive", "dead", 0), b.activity("activating", "start", time.Minute), b.activity("active", "exited", 0), b.activity("failed", "failed", 0),
	}, columns)
}

// containers: one container of a stack in each state, beside one that runs.
func (b *book) containers() {
	var rows []change
	add := func(name string, do func(*facts.Container)) {
		rows = append(rows, change{name, func(u *facts.Unit) { do(&u.Containers[0]) }})
	}
	for _, health := range []string{"", "starting", "healthy", "unhealthy", "shaky"} {
		add(strings.TrimSuffix("running "+health, " "), func(c *facts.Container) { c.State, c.Health = "running", health })
	}
	add("running healthy, check overdue", func(c *facts.Container) {
		c.State, c.Health, c.Check = "running", "healthy", &facts.HealthCheck{Overdue: true}
	})
	for _, state := range []string{"created", "initialized", "paused", "restarting", "stopping", "removing", "dead", "shaky"} {
		add(state, func(c *facts.Container) { c.State, c.Health, c.CreatedAt = state, "", b.ago(time.Hour) })
	}
	add("created just now", func(c *facts.Container) { c.State, c.Health, c.CreatedAt = "created", "", b.ago(time.Second) })
	for _, state := range []string{"exited", "stopped"} {
		for code, policies := range map[int][]string{0: {"no", "always"}, 1: {"no", "always"}} {
			for _, policy := range policies {
				add(fmt.Sprintf("%s %d, restart %s", state, code, policy), func(c *facts.Container) {
					c.State, c.Health, c.ExitCode, c.RestartPolicy, c.FinishedAt = state, "", code, policy, b.ago(time.Second)
				})
			}
		}
	}
	add("exited 137 before the start", func(c *facts.Container) {
		c.State, c.Health, c.ExitCode, c.FinishedAt = "exited", "", 137, b.ago(2*time.Hour)
	})
	add("of compose run, exited 1", func(c *facts.Container) { c.OneOff, c.State, c.Health, c.ExitCode = true, "exited", "", 1 })
	add("of compose run, running", func(c *facts.Container) { c.OneOff = true })
	rows = append(rows, change{"none", func(u *facts.Unit) { u.Containers = u.Containers[1:] }})
	slices.SortStableFunc(rows, func(a, b change) int { return strings.Compare(a.name, b.name) })
	began := func(c change) change {
		return change{c.name, func(u *facts.Unit) { u.Loaded.InactiveExit = b.ago(time.Minute); c.do(u) }}
	}
	columns := []change{
		b.activity("active", "exited", 0), began(b.activity("activating", "start", time.Minute)), b.activity("activating", "start", time.Hour),
		b.activity("deactivating", "stop", time.Minute), b.activity("failed", "failed", 0), b.activity("inactive", "dead", 0),
	}
	service := func(u *facts.Unit, oneShot bool) {
		u.ServicesFrom = facts.ServicesFromRecord
		u.Services = []facts.Service{{Name: u.Containers[0].Service, Containers: 1, OneShot: oneShot}, {Name: u.Containers[1].Service, Containers: 1}}
	}
	for _, record := range []struct {
		title string
		do    func(*facts.Unit)
	}{
		{"nothing recorded", func(u *facts.Unit) { u.Services, u.ServicesFrom = nil, "" }},
		{"its service is recorded", func(u *facts.Unit) { service(u, false) }},
		{"its service is recorded as a one-shot", func(u *facts.Unit) { service(u, true) }},
	} {
		var recorded []change
		for _, c := range columns {
			recorded = append(recorded, change{c.name, func(u *facts.Unit) { record.do(u); c.do(u) }})
		}
		b.table("State of a container, "+record.title, rows, recorded)
	}
}

// host: states of the host as a whole, each beside a document in which all is well.
func (b *book) host() {
	type state struct {
		name string
		do   func(*facts.Document)
	}
	var states []state
	add := func(name string, do func(*facts.Document)) { states = append(states, state{name, do}) }
	for _, s := range []string{"initializing", "starting", "running", "degraded", "maintenance", "stopping", "offline"} {
		add("manager "+s, func(d *facts.Document) { d.Manager.State = s })
	}
	for _, s := range []string{"none", "current", "running", "half-finished", "failed"} {
		add("activation "+s, func(d *facts.Document) { d.Declared.Activation.State = s })
	}
	activities := [][2]string{{"active", "waiting"}, {"active", "running"}, {"active", "elapsed"}, {"inactive", "dead"}, {"failed", "failed"}}
	for _, load := range []string{"loaded", "not-found", "masked", "bad-setting"} {
		for _, a := range activities {
			timer := facts.Activity{LoadState: load, ActiveState: a[0], SubState: a[1]}
			name := " timer " + load + " " + a[0] + "/" + a[1]
			add("audit"+name, func(d *facts.Document) { d.Manager.AuditTimer = timer })
			add("auto-update"+name, func(d *facts.Document) { d.Podman.AutoUpdateTimer = &timer })
		}
	}
	for _, load := range []string{"loaded", "not-found", "masked"} {
		for _, a := range [][2]string{{"active", "running"}, {"reloading", "reload"}, {"activating", "start"}, {"activating", "auto-restart"}, {"deactivating", "stop-sigterm"}, {"inactive", "dead"}, {"failed", "failed"}} {
			name := "watch " + load + " " + a[0] + "/" + a[1]
			watch := facts.Activity{LoadState: load, ActiveState: a[0], SubState: a[1]}
			for timer, state := range map[string]facts.Activity{"audit timer stopped": {LoadState: "loaded", ActiveState: "inactive", SubState: "dead"}, "no audit timer": {LoadState: "not-found", ActiveState: "inactive", SubState: "dead"}} {
				add(timer+", "+name, func(d *facts.Document) { d.Manager.AuditTimer, d.Manager.Watch = state, &watch })
			}
		}
	}
	for _, s := range []string{"inactive", "activating", "active", "failed"} {
		add("auto-update "+s, func(d *facts.Document) { d.AutoUpdate = &facts.AutoUpdate{LoadState: "loaded", ActiveState: s} })
	}
	add("no podman", func(d *facts.Document) { d.Podman.Present = false })
	add("linger off", func(d *facts.Document) { d.User.Linger = false })
	slices.SortStableFunc(states, func(a, b state) int { return strings.Compare(a.name, b.name) })
	fmt.Fprint(b.out, "\n# States of the host, where a container is auto-updated\n\n")
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	by, order := map[string][]string{}, []string{}
	for _, s := range states {
		doc := b.copied()
		doc.Podman.AutoUpdateTimer = &facts.Activity{LoadState: "loaded", ActiveState: "active", SubState: "waiting"}
		doc.Units[0].Containers[0].AutoUpdate = "local"
		doc.Units[0].Containers[0].UnitLabel = &facts.UnitLabel{Name: doc.Units[0].Name, Valid: true, LoadState: "loaded"}
		s.do(doc)
		var texts []string
		found := b.decide(doc)
		for _, id := range b.invariant {
			for _, text := range found[id] {
				texts = append(texts, id+" "+text)
			}
		}
		text := strings.Join(texts, ", ")
		if text == "" {
			text = "."
		}
		if by[text] == nil {
			order = append(order, text)
		}
		by[text] = append(by[text], s.name)
	}
	for _, text := range order {
		fmt.Fprintf(w, "%s\t%s\n", text, strings.Join(by[text], "; "))
	}
	_ = w.Flush()
}

// lost are the collectors, each with those that fail with it.
var lost = []struct {
	name string
	with []string
	do   func(*facts.Document)
}{
	{"user", nil, func(d *facts.Document) { d.User, d.Host = nil, nil }},
	{"home-manager", []string{"quadlets", "files", "applied"}, func(d *facts.Document) { d.Declared = nil; withoutFiles(d) }},
	{"systemd", []string{"files", "applied", "images"}, func(d *facts.Document) {
		d.Manager, d.AutoUpdate = nil, nil
		withoutFiles(d)
		each(d, func(u *facts.Unit) { u.Loaded, u.Reload = nil, nil })
	}},
	{"quadlets", nil, func(*facts.Document) {}},
	{"files", []string{"applied"}, withoutFiles},
	{"applied", nil, func(d *facts.Document) {
		each(d, func(u *facts.Unit) { u.Services, u.ServicesFrom, u.Applied = nil, "", nil })
	}},
	{"podman", []string{"images", "storage"}, func(d *facts.Document) {
		d.Podman, d.AutoUpdate, d.Storage = nil, nil, nil
		each(d, func(u *facts.Unit) { u.Containers = nil })
	}},
	{"images", nil, func(d *facts.Document) { d.AutoUpdate = nil }},
	{"storage", nil, func(d *facts.Document) { d.Storage = nil }},
	{"probes", nil, func(*facts.Document) {}},
	{"history", nil, func(d *facts.Document) { d.History = nil; each(d, func(u *facts.Unit) { u.History = nil }) }},
}

func withoutFiles(d *facts.Document) {
	d.ManagerFiles = nil
	each(d, func(u *facts.Unit) {
		u.Files, u.Reload, u.Services, u.ServicesFrom, u.Applied = nil, nil, nil, "", nil
	})
}

func each(d *facts.Document, do func(*facts.Unit)) {
	for i := range d.Units {
		do(&d.Units[i])
	}
}

// collectors: a collector fails, and all else is well.
func (b *book) collectors() {
	fmt.Fprint(b.out, "\n# A collector fails\n\n")
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	for _, l := range lost {
		doc := b.copied()
		for _, name := range append([]string{l.name}, l.with...) {
			doc.Collectors[name] = facts.CollectorStatus{Error: "lost"}
		}
		l.do(doc)
		by := map[string][]string{}
		var order []string
		found := b.decide(doc)
		for _, id := range b.invariant {
			subjects := []string{}
			for _, text := range found[id] {
				if !slices.Contains(subjects, text) {
					subjects = append(subjects, text)
				}
			}
			slices.Sort(subjects)
			text := strings.Join(subjects, ", ")
			if text == "" {
				continue
			}
			if by[text] == nil {
				order = append(order, text)
			}
			by[text] = append(by[text], id)
		}
		slices.Sort(order)
		for _, text := range order {
			fmt.Fprintf(w, "%s\t%s\t%s\n", l.name, text, strings.Join(by[text], " "))
		}
	}
	_ = w.Flush()
	for name := range b.good.Collectors {
		if !strings.Contains(b.out.String(), "\n"+name+" ") {
			b.t.Errorf("the table lacks the collector %s, or no rule needs it", name)
		}
	}
}
