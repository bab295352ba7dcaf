package timeline

import "time"

// Deliveries is how long the first alert of each new finding took.
type Deliveries struct {
	New  int             // findings that appeared in the window and count
	Took []time.Duration // from the audit that saw it to the first delivery, unsorted
}

// Deliveries measures the findings that appeared in the window. Left out are
// those that are waived or undecided, and those that the same audit healed.
func (r Record) Deliveries() (d Deliveries) {
	for _, s := range r.Occurrences {
		wasHealed := s.ResolvedAt != nil && !s.ResolvedAt.After(s.Since)
		if s.Since.Before(r.Since) || wasHealed || s.Waiver != nil || s.IsUnknown() {
			continue
		}
		d.New++
		if at, wasSent := r.FirstSent[s.ID]; wasSent {
			d.Took = append(d.Took, max(at.Sub(s.Since), 0))
		}
	}
	return d
}
