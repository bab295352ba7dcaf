package daily

import "stackpolicy/report/timeline"

// How much of each list is shown.
const (
	maxUnits    = 200
	maxGroups   = 50
	maxFindings = 10 // of one subject
	maxLayers   = 20 // of one unit
	maxRows     = 50 // of a table
)

// Model is a report in words. Every text in it is clean and of bounded length.
type Model struct {
	Title   string // the verdict in short
	Verdict Verdict
	Window  Window
	Tiles   []Tile
	Now     Some[Group] // open findings, waived ones apart, the worst first
	Units   Some[Unit]  // the host among them, the worst first
	Healed  Table
	Trouble Table // actions without the intended result
	Back    Table // findings that returned
	Waived  Table
	Held    Table // units under planned maintenance
	Latency Latency
	False   FalseSuccess
	Failed  Table    // audits that could not begin
	Notes   []string // what this report cannot say
	Version string   // of the program; may be ""
}

// Build makes a report from what was read. It depends on its input alone.
func Build(in Input) Model {
	t, c := timeline.New(in.Record), clock{in.Now}
	w := wording{c, in.Steps}
	m := Model{Verdict: verdictOf(in.Record, t.Units()), Window: windowOf(c, in.Since), Notes: notes(in.Record), Version: in.Version}
	m.Units = units(t, in.Record, w)
	m.Now = groups(t, m.Units.List, w)
	m.Healed, m.Trouble = healed(in.Actions, c), trouble(in.Actions, c)
	m.Back, m.Waived = returned(in.Record, c), waived(in.Occurrences, c)
	m.Held = held(in.Document, c)
	m.Failed = failed(in.Spans, c)
	m.Latency, m.False = latency(in.Deliveries(), in.FirstSent != nil), falseSuccess(in.Successes(), in.Document)
	m.Tiles = tiles(m, in.Record, t.Overall())
	m.Title = "stackpolicy: " + m.Verdict.Word + in.onHost()
	return m
}

// Some is a list that may have been cut short.
type Some[T any] struct {
	List []T
	More int // how many are left out
}

func some[T any](list []T, limit int) Some[T] {
	if len(list) <= limit {
		return Some[T]{List: list}
	}
	return Some[T]{List: list[:limit], More: len(list) - limit}
}
