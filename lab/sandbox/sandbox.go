// Package sandbox is the basis of lab/usermanager and lab/machine: each gives
// a system of its own to one process, and leaves nothing behind, however that
// process ends.
//
//   - A Scratch is a folder that the next run sweeps away when its owner died.
//   - A Cgroup holds all processes, and kills them when it is removed. Commands
//     join them by Adopt.
//   - A Namespace, made by Enter, has mounts and process ids of its own, and
//     ends with the process that made it.
//
// They are removed in the reverse order. The tests' own helpers are in
// sandboxtest.
package sandbox

import "time"

// pollInterval is the pause between two checks of a condition that notifies nobody
// when it comes true.
const pollInterval = 2 * time.Millisecond

// Poll calls try until it succeeds, and returns its last error after timeout.
func Poll(timeout time.Duration, try func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pollInterval)
	}
}
