package fleet

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stackpolicy/fleet/overview"
)

func TestHTML(t *testing.T) {
	got := written(t, WriteHTML, sample())
	_, body, _ := strings.Cut(got, "</style>")
	golden(t, "sample.html", []byte(body))
	nothing := written(t, WriteHTML, Input{Fleet: overview.Build(nil, now)})
	for _, want := range []string{"UNKNOWN", "no source is enrolled", "stackfleet enroll HOST"} {
		if !strings.Contains(nothing, want) {
			t.Errorf("a fleet of nothing lacks %q", want)
		}
	}
}

// elements are all that a page may have, and attributes all that they may.
var (
	tag        = regexp.MustCompile(`<(/?[a-zA-Z!][^\s>]*)([^>]*)>`)
	attribute  = regexp.MustCompile(`\s([a-zA-Z-]+)(="|[\s>]|$)`)
	elements   = strings.Fields("!doctype html head meta title style body a header p h1 h2 span dl div dt dd nav ul ol li main section svg path details summary table caption thead tbody tr th td footer b code wbr br label input script")
	attributes = strings.Fields("lang charset http-equiv content name class href id aria-label aria-labelledby aria-hidden viewBox preserveAspectRatio d role scope data-head data-at hidden for type autocomplete spellcheck html")
)

// TestHTMLHoldsOnlyItsOwn: no element and no attribute comes from a source, the only script is
// the page's own, and links lead to this page, to fleet.json, or below it.
func TestHTMLHoldsOnlyItsOwn(t *testing.T) {
	text := written(t, WriteHTML, hostile("http://127.0.0.1:1"))
	before, rest, _ := strings.Cut(text, "<style>")
	_, after, _ := strings.Cut(rest, "</style>")
	if strings.Count(after, "<script>"+script+"</script>") != 1 {
		t.Fatal("its own script is not there once")
	}
	after = strings.Replace(after, script, "", 1)
	open := []string{}
	for _, m := range tag.FindAllStringSubmatch(before+after, -1) {
		name, closing := strings.CutPrefix(m[1], "/")
		if !slices.Contains(elements, name) {
			t.Fatalf("element %s", m[0])
		}
		for _, a := range attribute.FindAllStringSubmatch(quoted.ReplaceAllString(m[2], `=""`), -1) {
			if !slices.Contains(attributes, a[1]) {
				t.Errorf("attribute %s in %s", a[1], m[0])
			}
		}
		switch {
		case closing && (len(open) == 0 || open[len(open)-1] != name):
			t.Fatalf("%s closes %v", m[0], open)
		case closing:
			open = open[:len(open)-1]
		case !slices.Contains([]string{"!doctype", "meta", "wbr", "br", "input"}, name) && !strings.HasSuffix(m[2], "/"):
			open = append(open, name)
		}
	}
	if len(open) > 0 {
		t.Errorf("left open: %v", open)
	}
	for _, href := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(after, -1) {
		if strings.ContainsAny(href[1], ":\\") && !strings.HasPrefix(href[1], "#") || strings.HasPrefix(href[1], "..") || strings.HasPrefix(href[1], "/") {
			t.Errorf("a link to %s", href[1])
		}
	}
}

var quoted = regexp.MustCompile(`="[^"]*"`)

// TestRendersInTime: a page of a thousand sources is written within a second, and is not large.
func TestRendersInTime(t *testing.T) {
	in := many(1000)
	begun := time.Now()
	size := len(written(t, WriteHTML, in))
	took := time.Since(begun)
	t.Logf("%d KiB in %v", size>>10, took.Round(time.Millisecond))
	if took > time.Second {
		t.Errorf("it took %v", took)
	}
	if size > 4<<20 {
		t.Errorf("%d bytes", size)
	}
}

func TestSpells(t *testing.T) {
	at := now.Add(-overview.Length)
	for name, c := range map[string]struct {
		days []overview.Day
		want string
	}{
		"nothing":       {nil, "not observed 14 d"},
		"all of it":     {[]overview.Day{{From: at.Add(-time.Hour), To: now.Add(time.Hour)}}, "in order 14 d"},
		"a hole":        {[]overview.Day{{From: at, To: at.Add(24 * time.Hour)}, {From: at.Add(48 * time.Hour), To: now}}, "not observed 24 h, in order 13 d"},
		"one in itself": {[]overview.Day{{From: at, To: now}, {From: at, To: now.Add(-time.Hour), Worst: 3}}, "in order 14 d"},
		"backwards":     {[]overview.Day{{From: now, To: at, Worst: 3}}, "not observed 14 d"},
		"a page":        {[]overview.Day{{From: at, To: at.Add(time.Hour), Worst: 3}, {From: at.Add(time.Hour), To: now}}, "page 1 h, in order 13 d 23 h"},
	} {
		if _, got := strip(c.days, now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestStripEndsWithWhatWasSeen: the last stretch is not drawn to its end if the source fell silent
// in it.
func TestStripEndsWithWhatWasSeen(t *testing.T) {
	s := source("den", "ada", func(s *overview.Source) {
		s.AsOf, s.Days = now.Add(-5*time.Hour), []overview.Day{{From: now.Add(-6 * time.Hour), To: now}}
	})
	if _, got := strip(seen(s), now); got != "not observed 13 d 22 h, in order 1 h 36 min" {
		t.Errorf("got %s", got)
	}
}
