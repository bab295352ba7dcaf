package daily

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/history"
)

// Holder knows the holds of units; a [history.Store] does.
type Holder interface {
	Recall(ctx context.Context, now time.Time) (facts.Memory, error)
	Document(ctx context.Context, digest string, at time.Time) (*facts.Document, error)
}

// readHolds returns the holds that are in force now, by unit: those made by commands, also
// since the last audit, and those that the configuration declared at the last audit, whose
// document is doc; nil if there is none.
func readHolds(ctx context.Context, holder Holder, doc *facts.Document, now time.Time) ([]facts.Hold, error) {
	memory, err := holder.Recall(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("read the holds: %w", err)
	}
	held := map[string]facts.Exemption{}
	for unit, e := range declaredHolds(doc, now) {
		held[unit] = e
	}
	for unit, h := range memory.Subjects {
		if e := h.HeldAt(now); e != nil {
			held[unit] = *e
		}
	}
	var holds []facts.Hold
	for unit, e := range held {
		holds = append(holds, facts.Hold{Unit: unit, Reason: e.Reason, Owner: e.Owner, Until: e.Until})
	}
	slices.SortFunc(holds, func(a, b facts.Hold) int { return strings.Compare(a.Unit, b.Unit) })
	return holds, nil
}

// lastDocument returns the document of the last audit; nil if none is kept.
func lastDocument(ctx context.Context, holder Holder, last *history.AuditSpan) (*facts.Document, error) {
	if last == nil || last.DocumentDigest == "" {
		return nil, nil
	}
	doc, err := holder.Document(ctx, last.DocumentDigest, last.To)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what the last audit collected: %w", err)
	}
	return doc, nil
}

func declaredHolds(doc *facts.Document, now time.Time) map[string]facts.Exemption {
	declared := map[string]facts.Exemption{}
	if doc == nil {
		return declared
	}
	for _, u := range doc.Units {
		if u.History == nil {
			continue
		}
		for _, e := range u.History.Exemptions {
			if e.Declared && e.Until.After(now) {
				declared[u.Name] = e
			}
		}
	}
	return declared
}

// holds lists the units under planned maintenance.
func (s *sheet) holds(holds []facts.Hold) {
	if len(holds) > 0 {
		s.line("")
	}
	for _, h := range some(holds, maxRows).List {
		s.paragraph(2, "held: ", fmt.Sprintf("%s until %s by %s: %s", name(h.Unit), h.Until.UTC().Format(time.RFC3339), name(h.Owner), sentence(h.Reason)))
	}
	s.more(2, max(len(holds)-maxRows, 0))
}

// held lists the units that were under planned maintenance at the last audit and still are.
func held(doc *facts.Document, c clock) Table {
	var rows [][]string
	if doc != nil {
		for _, h := range doc.Holds(c.now) {
			until := fmt.Sprintf("%s (%s)", c.at(h.Until), c.ago(h.Until))
			rows = append(rows, []string{name(h.Unit), sentence(h.Reason), cmp.Or(name(h.Owner), "nobody named"), until})
		}
	}
	return Table{
		Caption: "Units under planned maintenance: findings about whether they run do not count",
		Head:    []string{"Unit", "Reason", "Owner", "Until"},
	}.with(rows)
}
