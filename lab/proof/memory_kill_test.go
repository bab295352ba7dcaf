package proof

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"stackpolicy/lab/debian"
	"stackpolicy/lab/usermanager"
)

// hostBudget is how many reloads the settings allow within an hour.
const hostBudget = 6

// TestKilledWhileEnforcing kills 100 enforcing audits, each at another moment; 200 with
// STACKPOLICY_LAB_EACH=1. The memory must never be damaged. Each memory sees enough kills
// to use up its budget and open the breaker, which must then stay open.
func TestKilledWhileEnforcing(t *testing.T) {
	if err := usermanager.Available(usermanager.Options{}); err != nil {
		t.Skip("no user manager can be started here: ", err)
	}
	seeds := uint64(1)
	if debian.Each() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			k := &killing{stage: remembering(t, usermanager.Options{}, nil), random: rand.New(rand.NewPCG(seed, 2))}
			k.run(5, 20)
		})
	}
}

// run kills the given number of audits with each of the given number of memories.
func (k *killing) run(memories, each int) {
	k.t.Helper()
	k.drift()
	k.want("the first audit", k.timed(), 0, healed)
	for i := range memories {
		k.do(os.RemoveAll(filepath.Dir(k.memory())))
		before := k.reloads()
		for k.killed < (i+1)*each && k.ran < 2*memories*each {
			k.once()
		}
		// On a busy machine most kills come before an action.
		for more := 3 * each; i == memories-1 && k.breakers == 0 && more > 0; more-- {
			k.once()
		}
		k.ended(i, before)
	}
	k.t.Logf("an audit takes %v; %d killed, %d ended before; %d of the killed had begun a reload, %d kills with an open breaker",
		k.whole.Round(time.Millisecond), k.killed, k.ran, k.begun, k.breakers)
	if k.killed < memories*each || k.begun == 0 || k.breakers == 0 {
		k.t.Error("too few audits were killed for a result")
	}
}

// killing counts how audits ended.
type killing struct {
	*stage
	random                       *rand.Rand
	whole                        time.Duration // that an audit takes
	revision                     int
	open                         bool // the breaker, when last seen
	killed, ran, begun, breakers int
}

// timed runs an audit that is not killed, and measures how long it takes.
func (k *killing) timed() report {
	k.t.Helper()
	begun := time.Now()
	r := k.enforce()
	k.whole = time.Since(begun)
	return r
}

// drift links another revision without a reload.
func (k *killing) drift() {
	k.t.Helper()
	k.revision++
	settle()
	k.activate(strconv.Itoa(k.revision), nil)
}

// once makes drift, kills an audit at some moment, and checks the memory.
func (k *killing) once() {
	k.t.Helper()
	k.drift()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(k.t.Context(), time.Duration(k.random.Int64N(int64(k.whole))))
	defer cancel()
	r := k.Stackpolicy(ctx, "eval", "--policy", k.rules(), "--enforce")
	if r.Code < 0 || r.Code > 3 {
		k.killed++
		k.whole += k.whole / 16 // the machine may have become slower
	} else {
		k.ran++
		k.whole = time.Since(begun)
	}
	k.sound()
}

// sound checks that the memory can be read, and that an open breaker is still open.
func (k *killing) sound() {
	k.t.Helper()
	if _, err := os.Stat(k.memory()); err != nil {
		return // killed before there was one
	}
	k.log()
	r := k.Do(k.sqlCommand("once", "PRAGMA integrity_check", "SELECT count(*) FROM sqlite_schema", "SELECT subject FROM breakers"))
	if r.Out == "ok\n0\n" {
		return // killed before anything was put into it
	}
	if r.Code != 0 || !strings.HasPrefix(r.Out, "ok\n") {
		k.t.Fatalf("after a kill: status %d: %s%s", r.Code, r.Out, r.Err)
	}
	open := strings.HasSuffix(r.Out, "\nhost\n")
	if k.open && !open {
		k.t.Error("a breaker is closed by a kill")
	}
	if k.open {
		k.breakers++
	}
	k.open = open
}

// pastLog has the fields of `history -o json` that the tests read.
type pastLog struct {
	Actions []struct {
		Action, Subject, Status string
		Healed                  *bool
	}
	Findings []struct{ Invariant, Subject string }
}

func (k *killing) log() (l pastLog) {
	k.t.Helper()
	r := k.Stackpolicy(k.t.Context(), "history", "-o", "json")
	if err := json.Unmarshal([]byte(r.Out), &l); err != nil && !(r.Code == 3 && r.Err == noAudit) {
		k.t.Fatalf("history: status %d: %v\n%s%s", r.Code, err, r.Out, r.Err)
	}
	return l
}

const noAudit = "stackpolicy: there was no audit yet: run stackpolicy eval, or enable stackpolicy-audit.timer\n"

// ended checks a memory after its kills; before is the number of reloads at the start.
func (k *killing) ended(memory, before int) {
	k.t.Helper()
	k.drift()
	for _, g := range k.timed().Gaps {
		k.t.Errorf("memory %d: gap %s: %s", memory, g.Collector, g.Error)
	}
	k.sound()
	if k.open { // it may have opened only now
		k.once()
		k.once()
	}
	actions, reloads := k.log().Actions, k.reloads()-before
	for _, a := range actions {
		if a.Status == "begun" {
			k.begun++
		}
	}
	if reloads > hostBudget || len(actions) > hostBudget || len(actions) < reloads {
		k.t.Errorf("memory %d: the manager was reloaded %d times, %d are remembered, and %d are allowed",
			memory, reloads, len(actions), hostBudget)
	}
	k.t.Logf("memory %d: %d reloads, %d remembered, breaker open: %v", memory, reloads, len(actions), k.open)
	k.open = false
}
