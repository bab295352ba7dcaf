// Package answer reads podman's JSON. It refuses an answer that is malformed, and bounds what
// it keeps of one.
//
// Start at [Array] and [Validate]. [Text], [Moment] and [ID] read single values.
package answer

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// CutMark is in a text where a part of it was left out.
const CutMark = "…(cut)"

const (
	maxDepth   = 100      // of nested JSON; podman's has about six
	maxText    = 64 << 10 // bytes of one text
	maxEntries = 10_000   // of one list
)

// Array returns the entries of a list, up to 10,000 of them.
func Array(data []byte) ([]gjson.Result, error) {
	if err := Validate(data); err != nil {
		return nil, err
	}
	list := gjson.ParseBytes(data)
	if !list.IsArray() {
		return nil, fmt.Errorf("answer is no list: %.40q", data)
	}
	var entries []gjson.Result
	list.ForEach(func(_, entry gjson.Result) bool {
		entries = append(entries, entry)
		return len(entries) <= maxEntries
	})
	if len(entries) > maxEntries {
		return nil, fmt.Errorf("answer has more than %d entries", maxEntries)
	}
	return entries, nil
}

// Validate refuses malformed JSON that gjson would accept, and nesting so deep that gjson's
// recursive check would exhaust the stack.
func Validate(data []byte) error {
	switch {
	case len(data) == 0:
		return errors.New("answer is empty")
	case depth(data) > maxDepth:
		return fmt.Errorf("answer nests deeper than %d", maxDepth)
	case !gjson.ValidBytes(data):
		return fmt.Errorf("answer is malformed JSON: %.40q", data)
	}
	return nil
}

// depth returns how deep JSON is nested. It skips strings, and accepts malformed JSON.
func depth(data []byte) int {
	var now, deepest int
	inString := false
	for i := 0; i < len(data); i++ {
		switch b := data[i]; {
		case inString && b == '\\':
			i++
		case b == '"':
			inString = !inString
		case inString:
		case b == '[' || b == '{':
			now++
			deepest = max(deepest, now)
		case b == ']' || b == '}':
			now--
		}
	}
	return deepest
}

// ID reads a container's or an image's id.
func ID(of gjson.Result) (string, error) {
	id := of.Get("Id")
	if id.Str == "" { // also where it is no text
		return "", errors.New("Id is missing")
	}
	return strings.Clone(id.Str), CheckID(id.Str)
}

// CheckID requires hexadecimal digits, because an id becomes an argument of the command and
// a part of the API's paths.
func CheckID(id string) error {
	if id == "" || strings.Trim(id, "0123456789abcdef") != "" {
		return fmt.Errorf("Id is not hexadecimal: %.80q", id)
	}
	return nil
}

// Moment reads a time, in UTC. Podman writes Go's zero time, in year 1, for never.
func Moment(of gjson.Result, key string) (time.Time, error) {
	value := of.Get(key)
	if value.Type == gjson.Null || value.Str == "" && value.Type == gjson.String {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, value.String())
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", key, err)
	}
	return at.UTC(), nil
}

// Text returns a value as valid UTF-8, cut if it is longer than 64 KiB.
func Text(value gjson.Result) string { return Cut(value, maxText) }

// Cut returns a value as valid UTF-8 of at most size bytes. It is a copy, because a part of
// the answer would keep the whole answer in memory.
func Cut(value gjson.Result, size int) string {
	s := strings.ToValidUTF8(value.String(), "\uFFFD")
	if len(s) <= size {
		return strings.Clone(s)
	}
	return strings.ToValidUTF8(s[:size-len(CutMark)], "") + CutMark
}
