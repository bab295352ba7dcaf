// Package output has the formats in which a command can write its result. A format is one
// file with its writer, the writer's test, and one row in the list of formats for that
// result. The flag -o, its help and its completion use the row.
package output

import (
	"fmt"
	"io"

	"stackpolicy/internal/text"
)

// Format is one way to write a T.
type Format[T any] struct {
	Name  string
	Write func(io.Writer, T) error
}

// Names lists the names of the formats, in their order.
func Names[T any](formats []Format[T]) []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.Name
	}
	return names
}

// Named returns the format of that name. An unknown name is an error that lists
// the known ones. The format text was called table for some commands.
func Named[T any](formats []Format[T], name string) (Format[T], error) {
	for _, f := range formats {
		if f.Name == name || f.Name == "text" && name == "table" {
			return f, nil
		}
	}
	return Format[T]{}, fmt.Errorf("unknown output format %q; %s", name, text.Known(name, Names(formats)))
}
