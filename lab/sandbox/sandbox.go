// Package sandbox isolates processes, and removes everything when the process that uses
// it ends, even if that process is killed. lab/usermanager and lab/machine are built on it.
//
//   - A Scratch is a folder. If its owner was killed, the next Sweep removes it.
//   - A Cgroup contains all processes and kills them when it is removed. Cgroup.Adopt
//     starts a command in it.
//   - A Namespace has its own mounts and process ids. Enter makes it, and it ends when the
//     process that called Enter ends.
//
// Make them in this order and remove them in the reverse order. Helpers for tests are in
// sandboxtest.
package sandbox

import "time"

// pollInterval is the pause between two calls of Poll's condition.
const pollInterval = 2 * time.Millisecond

// Poll calls try until it returns nil. After timeout it returns try's last error. It is
// for conditions that cannot be waited for otherwise.
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
