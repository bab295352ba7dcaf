package decide

import "slices"

const (
	// parts is in how many documents the units are parted of which an answer is only true at
	// this time, to find those for which it is always true.
	parts = 8
	// maxNarrow bounds how many such documents an audit decides for one set of units.
	maxNarrow = 100
)

// narrow evaluates again in smaller documents what was only true at this time, and keeps
// what is always true: most rules read the time only of a unit that is in trouble. It notes
// for which units they do. What is left is for the next audit.
func (c *recollection) narrow(timed []job) {
	var left []job
	for _, j := range timed {
		if _, has := c.host(j.invariant); !has {
			left = append(left, job{j.invariant, []int{}})
		}
		left = append(left, c.parted(j)...)
	}
	for range maxNarrow {
		if len(left) == 0 || c.ctx.Err() != nil {
			return
		}
		group := byUnits(left)[0]
		left = slices.DeleteFunc(left, func(j job) bool { return slices.Equal(j.units, group[0].units) })
		for k, a := range c.ask(group) {
			c.keepAnswer(group[k], a)
			if a.ReadTime && len(group[k].units) > 1 {
				left = append(left, c.parted(group[k])...)
			}
		}
	}
}

// parted returns jobs for parts of the units, without those of which it is known that the
// answer is only true at one time.
func (c *recollection) parted(j job) (smaller []job) {
	units := slices.DeleteFunc(slices.Clone(c.unitsOf(j)), func(u int) bool { return c.rows[u].has(c.timed[j.invariant]) })
	for part := range slices.Chunk(units, max(1, (len(units)+parts-1)/parts)) {
		smaller = append(smaller, job{j.invariant, part})
	}
	return smaller
}
