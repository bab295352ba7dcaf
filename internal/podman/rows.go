package podman

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// row is what one listing tells of a container, as far as it can change. Two
// equal rows of one container mean that it is as it was; see [row.settled] and
// [row.tells] for when they do not. Numbers stay the text they came as: whatever
// a version writes there, another value is another text.
type row struct {
	id, name, state, health                  string
	pid, started, exited, exitCode, restarts string
}

// parseRows reads a list of containers. `podman ps --format json` and the API
// print it alike, but for Status; podman 4.3 leaves the restarts out.
func parseRows(data []byte) ([]row, error) {
	entries, err := parseArray(data)
	if err != nil {
		return nil, err
	}
	rows := make([]row, len(entries))
	for i, entry := range entries {
		if rows[i], err = rowFrom(entry); err != nil {
			return nil, fmt.Errorf("container %d of %d: %w", i+1, len(entries), err)
		}
	}
	return rows, nil
}

func rowFrom(entry gjson.Result) (row, error) {
	id, err := parseID(entry)
	return row{
		id:       id,
		name:     text(entry.Get("Names.0")),
		state:    text(entry.Get("State")),
		health:   healthWord(text(entry.Get("Status"))),
		pid:      text(entry.Get("Pid")),
		started:  text(entry.Get("StartedAt")),
		exited:   text(entry.Get("ExitedAt")),
		exitCode: text(entry.Get("ExitCode")),
		restarts: text(entry.Get("Restarts")),
	}, err
}

// healthWord finds the health in a Status: the API's is the word alone, the
// command's a text that may end in it, "Up 36 seconds (healthy)". The rest of
// that text tells the time and changes at every look.
func healthWord(status string) string {
	if strings.Trim(status, "abcdefghijklmnopqrstuvwxyz") == "" {
		return status
	}
	last := status[strings.LastIndexByte(status, '(')+1:]
	if word, closed := strings.CutSuffix(last, ")"); closed {
		return word
	}
	return ""
}

// settled says that any later run will show in the row. A run has a process of
// its own; without one only times are left, and podman lists them in whole
// seconds: a second run may begin and end in the one that is not over yet.
func (r row) settled(at time.Time) bool {
	if r.pid != "" && r.pid != "0" {
		return true
	}
	last := max(gjson.Parse(r.started).Int(), gjson.Parse(r.exited).Int())
	return last < at.Unix()
}

// tells says that a container inspected after the listing is still the one of
// the row. A health that flapped back since would else stand under a row that
// never changes again. A container that does not run has no health to speak of,
// and versions differ in what they say of it.
func (r row) tells(c Container) bool {
	return r.name == c.Name && r.state == c.State && (r.state != "running" || r.health == c.Health)
}
