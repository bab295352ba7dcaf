package systemd

import (
	"fmt"
	"math"
	"time"

	"github.com/godbus/dbus/v5"
)

// reader reads typed values from a property map. It remembers properties that are missing or
// have another type, so that an incomplete answer is an error.
type reader struct {
	props map[string]any
	wrong []string
}

func plain(props map[string]dbus.Variant) map[string]any {
	values := make(map[string]any, len(props))
	for name, v := range props {
		values[name] = v.Value()
	}
	return values
}

func value[T any](r *reader, key string) T {
	v, ok := r.props[key].(T)
	if !ok {
		r.wrong = append(r.wrong, key)
	}
	return v
}

func (r *reader) err(of string) error {
	if len(r.wrong) == 0 {
		return nil
	}
	return fmt.Errorf("read properties of %s: missing or of an unknown type: %v", of, r.wrong)
}

// usec converts systemd's microseconds since the epoch to a time; 0 is the zero time.
func usec(u uint64) time.Time {
	if u == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(u)).UTC()
}

// span converts microseconds to a duration; systemd's infinity is -1.
func span(u uint64) time.Duration {
	if u >= math.MaxInt64/1000 {
		return -1
	}
	return time.Duration(u) * time.Microsecond
}

// execs reads a property of signature a(sasbttttuii).
func execs(r *reader, key string) []Exec {
	var out []Exec
	for _, row := range value[[][]any](r, key) {
		if len(row) < 3 {
			r.wrong = append(r.wrong, key)
			continue
		}
		path, ok1 := row[0].(string)
		argv, ok2 := row[1].([]string)
		ignore, ok3 := row[2].(bool)
		if !ok1 || !ok2 || !ok3 {
			r.wrong = append(r.wrong, key)
		}
		out = append(out, Exec{path, argv, ignore})
	}
	return out
}
