package podman

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"stackpolicy/internal/podman/answer"
)

// row has the values of a container in one listing that can change. Two equal rows mean that
// the container did not change, with the exceptions of [row.settled] and [row.matches].
// Numbers are kept as text: they are only compared.
type row struct {
	id, name, state, health                  string
	pid, started, exited, exitCode, restarts string
}

// rowsOf reads a list of containers. `podman ps --format json` and the API print the same,
// except Status; podman 4.3 leaves out the restarts.
func rowsOf(entries []gjson.Result) (rows []row, err error) {
	rows = make([]row, len(entries))
	for i, entry := range entries {
		if rows[i], err = rowOf(entry); err != nil {
			return nil, fmt.Errorf("container %d of %d: %w", i+1, len(entries), err)
		}
	}
	return rows, nil
}

func rowOf(entry gjson.Result) (row, error) {
	id, err := answer.ID(entry)
	return row{
		id:       id,
		name:     answer.Text(entry.Get("Names.0")),
		state:    answer.Text(entry.Get("State")),
		health:   healthWord(answer.Text(entry.Get("Status"))),
		pid:      answer.Text(entry.Get("Pid")),
		started:  answer.Text(entry.Get("StartedAt")),
		exited:   answer.Text(entry.Get("ExitedAt")),
		exitCode: answer.Text(entry.Get("ExitCode")),
		restarts: answer.Text(entry.Get("Restarts")),
	}, err
}

// healthWord finds the health in a Status. The API's Status is only the health; the command's
// is a text that may end in it, "Up 36 seconds (healthy)". The rest of that text is a time,
// which always changes.
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

// settled reports whether any later run of the container will change the row. A run changes
// the process id. If the container does not run, only times change, and podman lists them in
// whole seconds: another run may begin and end within the present second.
func (r row) settled(at time.Time) bool {
	if r.pid != "" && r.pid != "0" {
		return true
	}
	last := max(gjson.Parse(r.started).Int(), gjson.Parse(r.exited).Int())
	return last < at.Unix()
}

// matches reports whether a container that was inspected after the listing still has the
// values of the row. Otherwise a health that changed and changed back would be remembered for
// a row that never changes again. The health of a container that does not run is not
// compared: versions differ in what they return.
func (r row) matches(c Container) bool {
	return r.name == c.Name && r.state == c.State && (r.state != "running" || r.health == c.Health)
}
