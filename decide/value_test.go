package decide

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/facts"
)

// fillIn sets every field below v, so that every kind of fact is tested.
func fillIn(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600))))
			return
		}
		for i := range v.NumField() {
			fillIn(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillIn(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillIn(v.Index(0))
		fillIn(v.Index(1))
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fillIn(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), value)
	case reflect.String:
		v.SetString("text \"quoted\" <é>")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(-70000)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Interface:
		v.Set(reflect.ValueOf(map[string]any{"bytes": 1761696000.0, "share": 0.25, "list": []any{nil, true, "text"}}))
	}
}

func TestValueIsWhatJSONWouldBe(t *testing.T) {
	doc := new(facts.Document)
	fillIn(reflect.ValueOf(doc).Elem())
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(data, &plain); err != nil {
		t.Fatal(err)
	}
	want := ast.MustInterfaceToValue(plain)
	if got := Prepare(doc).value(); got.Compare(want) != 0 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAbsentListsAreEmpty(t *testing.T) {
	object := Prepare(&facts.Document{Units: []facts.Unit{{}}}).value().(ast.Object)
	for _, key := range []string{"host", "user", "manager", "declared", "podman"} {
		if object.Get(ast.StringTerm(key)) != nil {
			t.Errorf("%s is there", key)
		}
	}
	units := object.Get(ast.StringTerm("units")).Value.(*ast.Array)
	unit := units.Elem(0).Value.(ast.Object)
	if got := unit.Get(ast.StringTerm("files")).String(); got != "[]" {
		t.Errorf("files: got %s; want []", got)
	}
	if unit.Get(ast.StringTerm("loaded")) != nil {
		t.Error("loaded is there")
	}
}

// TestLongListKeepsItsOrder, although several converters fill it.
func TestLongListKeepsItsOrder(t *testing.T) {
	doc := sound(3*longList + 1)
	data, err := json.Marshal(doc.Units)
	if err != nil {
		t.Fatal(err)
	}
	var plain []map[string]any
	if err := json.Unmarshal(data, &plain); err != nil {
		t.Fatal(err)
	}
	units := Prepare(doc).value().(ast.Object).Get(ast.StringTerm("units")).Value.(*ast.Array)
	if units.Len() != len(plain) {
		t.Fatalf("got %d units; want %d", units.Len(), len(plain))
	}
	for i, want := range plain {
		name := units.Elem(i).Value.(ast.Object).Get(ast.StringTerm("name"))
		if name.Value.Compare(ast.String(want["name"].(string))) != 0 {
			t.Fatalf("unit %d: got %s; want %s", i, name, want["name"])
		}
	}
}
