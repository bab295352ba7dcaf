package answer

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

func TestArray(t *testing.T) {
	got, err := Array([]byte(`[{"Id":"aa"},7]`))
	if err != nil || len(got) != 2 || got[1].Int() != 7 {
		t.Errorf("got %v, error %v", got, err)
	}
	most := "[" + strings.Repeat(`{"Id":"aa"},`, maxEntries-1) + `{"Id":"aa"}]`
	if got, err := Array([]byte(most)); err != nil || len(got) != maxEntries {
		t.Errorf("got %d entries, error %v; want %d", len(got), err, maxEntries)
	}
}

func TestArrayRefuses(t *testing.T) {
	tests := map[string]struct{ data, want string }{
		"empty":              {``, "empty"},
		"cut short":          {`[{"Id":"aa"},{"Id":"b`, "malformed JSON"},
		"garbage":            {"<html>busy</html>", "malformed JSON"},
		"two values":         {`[] []`, "malformed JSON"},
		"no list":            {`{"Id":"aa"}`, "no list"},
		"null":               {`null`, "no list"},
		"too many":           {"[" + strings.Repeat(`7,`, maxEntries) + `7]`, "more than 10000"},
		"nested without end": {strings.Repeat("[", 5_000_000), "nests deeper"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Array([]byte(test.data))
			if err == nil || !strings.Contains(err.Error(), test.want) || got != nil {
				t.Errorf("got %d entries, error %v; want one with %q", len(got), err, test.want)
			}
		})
	}
}

func TestLongTextsAreCut(t *testing.T) {
	atLimit, wide := strings.Repeat("v", maxText), strings.Repeat("é", maxText)
	if got := Text(gjson.Parse(`"` + atLimit + `"`)); got != atLimit {
		t.Error("a text of the longest length was changed")
	}
	for _, long := range []string{"x" + atLimit, "x" + wide} {
		got := Text(gjson.Parse(`"` + long + `"`))
		if len(got) > maxText || len(got) < maxText-utf8.UTFMax || !strings.HasSuffix(got, CutMark) || !utf8.ValidString(got) {
			t.Errorf("got %d bytes that end in %q; want at most %d, valid UTF-8 and the mark", len(got), got[len(got)-10:], maxText)
		}
	}
}
