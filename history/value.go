package history

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// stamp returns a time in the form that is stored. A time out of range becomes the nearest
// time in range.
func stamp(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, 0)):
		return 0
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

func moment(stamp int64) time.Time { return time.Unix(0, stamp).UTC() }

// momentOrNil returns a stored time that can be NULL.
func momentOrNil(stamp sql.NullInt64) *time.Time {
	if !stamp.Valid {
		return nil
	}
	t := moment(stamp.Int64)
	return &t
}

// encode returns a value as JSON. It only fails if evidence is not valid JSON.
func encode(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// decode reads stored JSON. Numbers in evidence are kept as they are written.
func decode(text string, v any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := d.Decode(v)
	if err == nil && d.More() {
		err = errors.New("more than one JSON value")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}
