package facts

import "time"

// Hold is planned maintenance of a unit.
type Hold struct {
	Unit   string    `json:"unit"`
	Reason string    `json:"reason"`
	Owner  string    `json:"owner"`
	Until  time.Time `json:"until"`
}

// Holds returns the holds that are in force at the time, by unit.
func (d *Document) Holds(now time.Time) (holds []Hold) {
	for _, u := range d.Units {
		if u.History == nil {
			continue
		}
		if e := u.History.HeldAt(now); e != nil {
			holds = append(holds, Hold{u.Name, e.Reason, e.Owner, e.Until})
		}
	}
	return holds
}
