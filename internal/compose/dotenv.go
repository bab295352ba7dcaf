package compose

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

// Bounds of a file of variables.
const (
	maxValues    = 1 << 20 // bytes of all values: each may contain those before it, twice
	maxStatement = 1000    // lines of one value in quotes
)

var errValues = fmt.Errorf("the values are longer than %d MiB together, as they contain each other", maxValues>>20)

// parseVariables reads a file of variables as compose does, one statement at a time: the
// library reads it at once, and then 30 lines may make a value of gigabytes.
func parseVariables(content []byte, known dotenv.LookupFn) (map[string]string, error) {
	values, size := map[string]string{}, 0
	lines := bytes.SplitAfter(content, []byte("\n"))
	for from := 0; from < len(lines); {
		one, n, err := statement(lines[from:], func(name string) (string, bool) {
			if value, ok := known(name); ok {
				return value, true
			}
			value, ok := values[name]
			return value, ok
		})
		if err != nil {
			return nil, fmt.Errorf("from line %d: %w", from+1, err)
		}
		for _, value := range one {
			size += len(value)
		}
		if size > maxValues {
			return nil, errValues
		}
		maps.Copy(values, one)
		from += n
	}
	return values, nil
}

// statement reads the first statement, and returns how many lines it has.
func statement(lines [][]byte, known dotenv.LookupFn) (values map[string]string, n int, err error) {
	limited := budget{room: maxValues}
	for n = 1; n <= min(len(lines), maxStatement); n++ {
		values, err = dotenv.ParseWithLookup(bytes.NewReader(bytes.Join(lines[:n], nil)), dotenv.LookupFn(limited.of(known)))
		if err == nil || !strings.Contains(err.Error(), "unterminated quoted value") {
			break
		}
	}
	if limited.room < 0 {
		err = errors.Join(err, errValues)
	}
	return values, n, err
}

// budget bounds what a lookup gives away, in bytes.
type budget struct{ room int }

// of returns a lookup whose values are empty when the room is used up: then it is negative.
func (b *budget) of(lookup func(string) (string, bool)) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := lookup(name)
		if b.room -= len(value); b.room < 0 {
			return "", ok
		}
		return value, ok
	}
}
