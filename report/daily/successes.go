package daily

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"stackpolicy/facts"
	"stackpolicy/report/timeline"
)

// FalseSuccess is how often systemd called a stack active that was not up.
type FalseSuccess struct {
	Share  string // "" if nothing could be measured
	Times  int    // audits of stacks, each stack counted
	About  string
	Stacks Table
}

func falseSuccess(stacks map[string]timeline.Successes, doc *facts.Document) FalseSuccess {
	var sum timeline.Successes
	units := slices.Sorted(maps.Keys(stacks))
	slices.SortStableFunc(units, func(x, y string) int { return cmp.Compare(stacks[y].False, stacks[x].False) })
	var rows [][]string
	for _, unit := range units {
		s := stacks[unit]
		sum.Looked, sum.False = sum.Looked+s.Looked, sum.False+s.False
		part := share(float64(s.False), float64(s.Looked))
		rows = append(rows, []string{name(unit), fmt.Sprint(s.False), fmt.Sprint(s.Looked), part, applied(inDocument(doc, unit))})
	}
	f := FalseSuccess{Times: sum.False, About: "No audit in this time could observe a stack."}
	f.Stacks = Table{
		Caption: "False successes of each stack",
		Head:    []string{"Unit of the stack", "Active, but not up", "Observations", "Share", "Last applied"},
	}.with(rows)
	if sum.Looked > 0 {
		f.Share = share(float64(sum.False), float64(sum.Looked))
		f.About = fmt.Sprintf("In %d of %d observations of a stack, its unit was active while %s found that the stack was not up.", sum.False, sum.Looked, timeline.StackRunning)
	}
	return f
}

// applied says whether a stack's restarts are verified.
func applied(u *facts.Unit) string {
	switch {
	case u == nil:
		return "unknown"
	case u.Applied != nil && u.Applied.State == "recorded":
		return "by stackctl"
	}
	return "not by stackctl"
}
