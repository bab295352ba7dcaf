package daily

// Model is a page in words. Every text in it is clean and of bounded length.
type Model struct {
	Title   string // the verdict in short
	Verdict Verdict
	Window  Window
	Tiles   []Tile
	Now     Some[Group] // what stands, waived findings apart, the worst first
	Units   Some[Unit]  // the host among them, the worst first
	Healed  Table
	Trouble Table // actions that did not do what they were to
	Back    Table // what came up more than once
	Waived  Table
	Latency Latency
	False   FalseSuccess
	Notes   []string // what this page cannot tell
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

// Table is a list of things that have the same parts, the first of which names
// each.
type Table struct {
	Caption string
	Head    []string
	Rows    [][]string // each as long as Head
	More    int        // how many are left out
	None    string     // what is said when there is no row; "" says nothing
}

// with is the table with rows, as many as there is room for.
func (t Table) with(rows [][]string) Table {
	cut := some(rows, maxRows)
	t.Rows, t.More = cut.List, cut.More
	return t
}

// Verdict is that of the last audit.
type Verdict struct {
	Class    string // ok, ticket, page or unknown
	Word     string // OK, WARNING, CRITICAL, UNKNOWN, or STALE
	Sentence string
	When     string
	Stale    string // why it tells nothing of now; "" when it does
}

// Window is the time that a page is about.
type Window struct {
	From, To, Length, Zone string
	Axis                   []string // times at equal distances, both ends included
}

// Tile is one number to look at first.
type Tile struct{ Name, Value, About, Class string }

// Group is what stands of one subject.
type Group struct {
	Subject  string
	Anchor   string // of the subject's unit; "" when it has none
	Findings Some[Finding]
}

// Finding is one finding over time.
type Finding struct {
	Class, Word string
	Invariant   string
	Message     string
	When        string
	Note        string // what became of its heal, or who waives it; else ""
	Next        string // what to do; commands stand in backticks
}

// Unit is one unit, or the host, over time.
type Unit struct {
	key          string // as it came; for looking up, never shown
	Name, Anchor string
	Class, Word  string // now
	About        string // stack, who manages it
	Strip        Strip
	Layers       Some[Layer]
	Past         Some[Finding] // what was, and is no more
}

// Strip is a subject's state over time.
type Strip struct {
	Bands []Band
	Line  string // for text: one character for each stretch
	Words string // how long it was in which state
}

// Band is an SVG path over all times of one state.
type Band struct{ Class, Path string }

// Layer is a file that defines or alters a unit.
type Layer struct {
	Role  string
	Class string // ok, note, intruder or off
	Says  string // what it is to the unit
	Hops  []Hop  // the path, and where it leads
}

// Hop is a path, parted so that its name can stand out.
type Hop struct{ Dir, Name string }

// Latency is how long alerts took.
type Latency struct {
	Measured     string // "" when nothing could be measured
	Median, Most string
	About        string
}

// FalseSuccess is how often systemd said active of a stack that was not up.
type FalseSuccess struct {
	Share  string // "" when nothing could be measured
	Times  int    // audits of stacks, each stack counted
	About  string
	Stacks Table
}
