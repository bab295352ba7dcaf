package decide

import (
	"encoding/json"
	"testing"
)

// Of what is absent only that matters: what else changes in the document is another matter.
func TestDigestOfWhatIsAbsent(t *testing.T) {
	of := func(text string, places ...string) string {
		return (&tree{text: json.RawMessage(text)}).digest(places)
	}
	for name, c := range map[string]struct {
		a, b string
		same bool
	}{
		"another key changes":          {`{"x": 1}`, `{"x": 2}`, true},
		"the section comes":            {`{"x": 1}`, `{"x": 1, "release": {}}`, false},
		"the key comes":                {`{"release": {}}`, `{"release": {"channel": "a"}}`, false},
		"another key of it changes":    {`{"release": {"x": 1}}`, `{"release": {"x": 2}}`, true},
		"it changes":                   {`{"release": {"channel": "a"}}`, `{"release": {"channel": "b"}}`, false},
		"it is something else instead": {`{"release": "a"}`, `{"release": "b"}`, false},
	} {
		if same := of(c.a, "release.channel") == of(c.b, "release.channel"); same != c.same {
			t.Errorf("%s: the same is %t", name, same)
		}
	}
}
