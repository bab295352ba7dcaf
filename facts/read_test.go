package facts

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const smallest = `{"schema": "stackpolicy.facts/v1", "collected_at": "2026-01-02T03:04:05Z",
 "collectors": {}, "units": []}`

func TestRead(t *testing.T) {
	text, err := json.Marshal(Unit{Name: "a.service", Files: []File{}, Containers: []Container{}, Services: []Service{}, Probes: []Probe{}})
	if err != nil {
		t.Fatal(err)
	}
	unit := string(text)
	put := func(old, new string) string { return strings.Replace(smallest, old, new, 1) }
	for name, tc := range map[string]struct{ text, trouble string }{
		"smallest":             {smallest, ""},
		"blanks after it":      {smallest + "\n \n", ""},
		"ok without a section": {put(`{}`, `{"user": {"ok": true, "error": "", "duration_ms": 1, "limit_ms": 2}}`), ""},
		"empty":                {"", "cut off"},
		"truncated":            {smallest[:len(smallest)-3], "line 2"},
		"truncated in a word":  {smallest[:20], "cut off"},
		"no JSON":              {"hello", "line 1"},
		"null":                 {"null", `schema is ""`},
		"an array":             {"[]", "line 1"},
		"other version":        {put("v1", "v2"), `"stackpolicy.facts/v2"`},
		"no version":           {"{}", "make a new document"},
		"unknown key":          {put(`"units"`, `"unots": [], "units"`), "unots"},
		"unknown key below":    {put(`[]`, `[{"name": "a.service", "nmae": 1}]`), "nmae"},
		"wrong type":           {put(`[]`, `"none"`), "line 2: units is a JSON string"},
		"wrong type below":     {put(`[]`, "[{\n\"name\":\n 1}]"), "line 4"},
		"no time":              {put(`"collected_at": "2026-01-02T03:04:05Z",`, ""), "collected_at"},
		"bad time":             {put("2026-01-02", "yesterday"), "parsing time"},
		"no collectors":        {put(`"collectors": {},`, ""), "collectors"},
		"no units":             {put(`[]`, `null`), "units"},
		"a unit without files": {put(`[]`, `[`+strings.Replace(unit, `"files":[],`, "", 1)+`]`), "units[0].files is missing"},
		"its files are null":   {put(`[]`, `[`+unit+","+strings.Replace(unit, `"files":[]`, `"files":null`, 1)+`]`), "units[1].files is missing"},
		"the operator's facts": {put(`"units"`, `"local": {"b": {"data": [{"x": [null]}], "changed_at": "2026-01-02T03:04:05Z"}}, "units"`), ""},
		"a whole unit":         {put(`[]`, `[`+unit+`]`), ""},
		"in another order":     {put(`[]`, `[`+strings.Replace(unit, `"files":[],`, "", 1)[:1]+`"files":[],`+strings.Replace(unit, `"files":[],`, "", 1)[1:]+`]`), ""},
		"garbage after it":     {smallest + "x", "line 2"},
		"two documents":        {smallest + "\n" + smallest, "line 3"},
		"deep nesting":         {put(`[]`, strings.Repeat("[", 100_000)), "depth"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := Read("the file", strings.NewReader(tc.text))
			if tc.trouble == "" {
				if err != nil || doc == nil {
					t.Errorf("%v, %v", doc, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.trouble) || !strings.Contains(err.Error(), "the file") {
				t.Errorf("got %v, want %q", err, tc.trouble)
			}
		})
	}
}

type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestReadBounds(t *testing.T) {
	if _, err := Read("x", blanks{}); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("an endless file: %v", err)
	}
	broken := errors.New("broken")
	if _, err := Read("x", iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a broken file: %v", err)
	}
}

// FuzzPlainReader: if the plain reader accepts a text, the general decoder returns the
// same document.
func FuzzPlainReader(f *testing.F) {
	f.Add([]byte(smallest))
	for _, name := range []string{"good", "gap", "page", "stale"} {
		text, err := os.ReadFile(filepath.Join("..", "testdata", "facts", name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		if !newPlainReader(text).read(&Document{}) {
			f.Errorf("%s is not read plainly", name)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := &Document{}
		if !newPlainReader(text).read(got) || got.Schema != Schema {
			return
		}
		want, err := decodeAny(text)
		if err != nil {
			t.Fatalf("the general decoder says %v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
