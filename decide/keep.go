package decide

import (
	"encoding/json"
	"slices"

	"stackpolicy/finding"
)

// keepAnswer notes an answer that is not only true at this time.
func (c *recollection) keepAnswer(j job, a Answer) {
	inv := c.invariants[j.invariant]
	if units := c.unitsOf(j); a.Err == nil && a.ReadTime && inv.Scope.PerUnit() && len(units) == 1 && !c.rows[units[0]].has(c.timed[j.invariant]) {
		c.rows[units[0]].add(c.timed[j.invariant], nil)
	}
	if a.Err != nil || a.ReadTime || inv.Scope.Whole {
		return
	}
	if !inv.Scope.PerUnit() {
		c.keepHost(j.invariant, a.Findings)
		return
	}
	about, host := c.sort(a.Findings)
	c.keepHost(j.invariant, host)
	for _, u := range c.unitsOf(j) {
		c.rows[u].add(c.tags[j.invariant], kept(about[u]))
	}
}

func (c *recollection) keepHost(i int, found []finding.Finding) {
	for _, key := range []string{c.hosts[i], c.places[i]} {
		if key != "" {
			c.kept[key] = seal(key, asText(kept(found)))
		}
	}
}

// asText cannot fail, because evidence has only JSON values.
func asText(v any) []byte {
	data, _ := json.Marshal(v)
	return data
}

func kept(findings []finding.Finding) []remembered {
	list := []remembered{}
	for _, f := range findings {
		list = append(list, remembered{f, f.Action})
	}
	return list
}

// keep keeps what is new.
func (c *recollection) keep() {
	for u := range c.rows {
		if c.rows[u].changed {
			c.rows[u].only(slices.Concat(c.tags, c.timed))
			c.kept[c.rows[u].key] = c.rows[u].write()
		}
	}
	if len(c.kept) > 0 {
		_ = c.memory.Keep(c.ctx, c.kept) // then it is decided again
	}
}
