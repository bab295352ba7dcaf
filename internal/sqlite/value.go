package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Stamp returns a time in the form that is stored. A time out of range becomes the nearest
// time in range.
func Stamp(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, 0)):
		return 0
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// Moment returns a stored time, in UTC.
func Moment(stamp int64) time.Time { return time.Unix(0, stamp).UTC() }

// MomentOrNil returns a stored time that can be NULL.
func MomentOrNil(stamp sql.NullInt64) *time.Time {
	if !stamp.Valid {
		return nil
	}
	t := Moment(stamp.Int64)
	return &t
}

// Encode returns a value as JSON. It only fails if evidence is not valid JSON.
func Encode(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// Decode reads stored JSON. Numbers in evidence are kept as they are written.
func Decode(text string, v any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := d.Decode(v)
	if err == nil && d.More() {
		err = errors.New("more than one JSON value")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}
