package podman

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stackpolicy/internal/podman/answer"
)

const maxLines = 1000

// Logs reads the last lines that a container wrote to stdout and stderr, oldest first: up to
// 1,000 lines, and of those the last 64 KiB. If the first line is incomplete, "…(cut)"
// replaces its beginning. Lines are valid UTF-8, with their control characters.
//
// Logs always uses the command, because only that reads every log driver. A driver that
// keeps nothing is an error. The time is bounded as in [Client.Containers].
func (c Client) Logs(ctx context.Context, id string, lines int) ([]string, error) {
	if err := answer.CheckID(id); err != nil {
		return nil, err
	}
	if c.Command == "" {
		return nil, fmt.Errorf("logs of container %s: no podman command is installed", id)
	}
	if lines = min(lines, maxLines); lines < 1 {
		return nil, errors.New("logs: fewer than one line asked for")
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	end, isCut, err := c.command().Logs(ctx, id, lines)
	if err != nil {
		return nil, fmt.Errorf("logs of container %s: %w", id, err)
	}
	return linesOf(end, isCut, lines), nil
}

// linesOf returns at most the given number of last lines.
func linesOf(end []byte, isCut bool, most int) []string {
	all := strings.ToValidUTF8(strings.TrimSuffix(string(end), "\n"), "\uFFFD")
	if all == "" {
		return nil
	}
	if isCut {
		all = answer.CutMark + all
	}
	lines := strings.Split(all, "\n")
	return lines[max(0, len(lines)-most):]
}
