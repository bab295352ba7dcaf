package daily

import (
	"fmt"
	"strings"

	"stackpolicy/history"
)

// failed lists the audits that could not begin: for their times nothing is known.
func failed(spans []history.AuditSpan, c clock) Table {
	var rows [][]string
	for _, s := range spans {
		if s.Began() {
			continue
		}
		when := c.at(s.To)
		if s.Count > 1 {
			when = fmt.Sprintf("%s to %s, %d times", c.at(s.From), c.at(s.To), s.Count)
		}
		why := strings.TrimPrefix(strings.Join(s.Gaps, "; "), "the audit could not begin: ")
		rows = append(rows, []string{when, sentence(why)})
	}
	return Table{Caption: "Audits that could not begin", Head: []string{"When", "Why"}}.with(rows)
}
