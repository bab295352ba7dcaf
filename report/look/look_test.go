package look_test

import (
	"html/template"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"stackpolicy/report/look"
	"stackpolicy/report/timeline"
)

// TestWrite: a page has the shared style and parts, and nothing of a text from outside is markup.
func TestWrite(t *testing.T) {
	pages := fstest.MapFS{"a.html": {Data: []byte(`<style>{{template "look.css"}}</style>{{template "text" .}}{{cells}}{{twice "x"}}`)}}
	var out strings.Builder
	funcs := template.FuncMap{"twice": func(s string) string { return s + s }}
	if err := look.Write(&out, pages, funcs, "see `/a/b` <b>", "a.html"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--ground:", "see <code>/<wbr>a/<wbr>b</code> &lt;b&gt;144xx"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %s", want)
		}
	}
	if err := look.Write(&out, pages, nil, "", "b.html"); err == nil {
		t.Error("a page that does not exist was written")
	}
}

// TestStrip: each state has its place, in the paths and in the text.
func TestStrip(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	bands, line := look.Strip([]timeline.Spell{
		{From: at, To: at.Add(12 * time.Hour), State: timeline.InOrder}, {From: at.Add(12 * time.Hour), To: at.Add(24 * time.Hour), State: timeline.Page},
	})
	if len(bands) != 2 || bands[0] != (look.Band{Class: "ok", Path: "M0 17h72v7h-72z"}) || bands[1] != (look.Band{Class: "page", Path: "M72 0h72v24h-72z"}) {
		t.Errorf("%+v", bands)
	}
	if want := strings.Repeat("▁", 24) + strings.Repeat("█", 24); line != want {
		t.Errorf("got %s", line)
	}
	if bands, line := look.Strip(nil); bands != nil || line != "" {
		t.Errorf("of nothing: %v, %s", bands, line)
	}
}
