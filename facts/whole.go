package facts

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// checkWhole returns an error that names the first key that is missing.
func checkWhole(content []byte) error {
	var all any
	if err := json.Unmarshal(content, &all); err != nil {
		return located(err, content)
	}
	if path := missing(all, reflect.TypeFor[Document]()); path != "" {
		return fmt.Errorf("%s is missing (make a new document with: stackpolicy facts)", strings.TrimPrefix(path, "."))
	}
	return nil
}

// missing returns the path of the first key that a value of type t must have and has not, such
// as .units[0].files, or "".
func missing(value any, t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Interface { // the operator's own facts
		return ""
	}
	switch value := value.(type) {
	case []any:
		for i, element := range value {
			if path := missing(element, t.Elem()); path != "" {
				return fmt.Sprintf("[%d]%s", i, path)
			}
		}
	case map[string]any:
		if t.Kind() == reflect.Map {
			return missingInMap(value, t.Elem())
		}
		return missingInObject(value, t)
	}
	return ""
}

func missingInMap(value map[string]any, t reflect.Type) string {
	for _, key := range slices.Sorted(maps.Keys(value)) {
		if path := missing(value[key], t); path != "" {
			return "." + key + path
		}
	}
	return ""
}

func missingInObject(value map[string]any, t reflect.Type) string {
	for _, f := range fieldsOf(t) {
		member, has := value[f.key]
		isList := f.of.Kind() == reflect.Slice || f.of.Kind() == reflect.Map
		if f.must && (!has || isList && member == nil) {
			return "." + f.key
		}
		if path := missing(member, f.of); path != "" {
			return "." + f.key + path
		}
	}
	return ""
}

// field is a field of a struct, as JSON has it.
type field struct {
	key  string
	must bool // it is in every document
	of   reflect.Type
}

func fieldsOf(t reflect.Type) (fields []field) {
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields = append(fields, field{name, !strings.Contains(options, "omitempty"), t.Field(i).Type})
	}
	return fields
}
