package archive

import "time"

// maxDaily is what a source may send within a day, in bytes. It is far more than a host ever has,
// and little beside the disk of a hub.
const maxDaily = 1 << 30

// Each envelope costs at least so much, and its evidence at least so much of what it is unpacked.
const (
	leastCost = 4 << 10
	unpacked  = 16
)

// budgets are what sources may still send, by subject: one that floods fills neither the disk nor
// takes all of the processor. A hub that is started again has forgotten them.
type budgets struct {
	daily int64
	of    map[string]budget
}

type budget struct {
	left int64
	at   time.Time // of the last envelope
}

func newBudgets() budgets { return budgets{maxDaily, map[string]budget{}} }

// isSpent reports whether a source has nothing left. It gets a day's budget over a day.
func (b budgets) isSpent(m Received) bool {
	x, has := b.of[m.Subject]
	if !has {
		x = budget{b.daily, m.At}
	}
	if since := min(m.At.Sub(x.at), 24*time.Hour); since > 0 {
		x = budget{min(b.daily, x.left+int64(float64(b.daily)*since.Hours()/24)), m.At}
	}
	b.of[m.Subject] = x
	return x.left <= 0
}

// spend takes from a budget what an envelope costs.
func (b budgets) spend(m Received, evidence int) {
	x := b.of[m.Subject]
	x.left -= int64(leastCost + max(len(m.Data), evidence/unpacked))
	b.of[m.Subject] = x
}
