package usermanager

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// pollInterval is the pause between two reads of the manager's state.
const pollInterval = 5 * time.Millisecond

// waitReady waits until the manager is up. It sets Version and PID.
func (m *Manager) waitReady(ctx context.Context) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		state, err := m.readState(ctx)
		if err == nil && (state == "running" || state == "degraded") {
			return nil
		}
		if _, err := m.space.manager(); err != nil {
			return errors.Join(errors.New("the manager ended before it was up"), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the manager is not up (state %q, %v): %w", state, err, ctx.Err())
		case <-ticker.C:
		}
	}
}

// readState asks the manager for its state, and sets Version and PID. systemctl uses the
// private socket for this, so no bus is needed.
func (m *Manager) readState(ctx context.Context) (state string, err error) {
	if _, err := os.Stat(m.PrivateSocket()); err != nil {
		return "", err
	}
	if m.PID, err = m.space.manager(); err != nil {
		return "", err
	}
	out, err := m.Command(ctx, "systemctl", "--user", "show", "--property=SystemState,Version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ask the manager for its state: %w: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key {
		case "SystemState":
			state = value
		case "Version":
			m.Version = value
		}
	}
	return state, nil
}
