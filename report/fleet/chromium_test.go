package fleet

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"stackpolicy/fleet/overview"
	"stackpolicy/lab/chromium"
)

// TestHostileInChromium: nothing of a source runs or is fetched. The same strings in a page
// without care do both.
func TestHostileInChromium(t *testing.T) {
	b, server := chromium.New(t), chromium.NewLure(t)
	dom := b.Run(b.Write("hostile.html", []byte(written(t, WriteHTML, hostile(server.URL)))), "--dump-dom")
	if taken := server.Taken(); len(taken) > 0 {
		t.Errorf("the page fetched %v", taken)
	}
	for _, bad := range []string{"data-owned", "<img", "<iframe", "<link", "http-equiv=\"refresh\""} {
		if strings.Contains(strings.ToLower(dom), bad) {
			t.Errorf("the document has %s", bad)
		}
	}
	if !strings.Contains(dom, "</footer>") || !strings.Contains(dom, "&lt;script&gt;") || strings.Count(dom, "<script") != 1 {
		t.Errorf("not the whole page, or more: %d bytes", len(dom))
	}
	dom = b.Run(b.Write("careless.html", []byte("<!doctype html><body>"+strings.Join(nasty(server.URL)[:3], "<hr>"))), "--dump-dom")
	if len(server.Taken()) < 2 || !strings.Contains(dom, "data-owned") {
		t.Errorf("a page without care did nothing, so the test above proves nothing: fetched %v", server.Taken())
	}
}

// TestLayoutInChromium: the browser finds no fault with the page, light, dark and on a phone:
// nothing sticks out, headings are in order, links lead somewhere, what needs a name has one.
func TestLayoutInChromium(t *testing.T) {
	b := chromium.New(t)
	looks := map[string][]string{
		"light": {"--window-size=1280,1000"},
		"dark":  {"--window-size=1280,1000", "--blink-settings=preferredColorScheme=0"},
		"phone": {"--window-size=500,900"},
	}
	for name, c := range map[string]struct {
		in    Input
		looks []string
	}{
		"sample":  {sample(), []string{"light", "dark", "phone"}},
		"nothing": {Input{Fleet: overview.Build(nil, now)}, []string{"light"}},
		"hostile": {hostile("http://127.0.0.1:1"), []string{"light", "phone"}},
	} {
		page := []byte(written(t, WriteHTML, c.in))
		for _, look := range c.looks {
			t.Run(name+" "+look, func(t *testing.T) {
				got := b.For(t).Probe(name+".html", page, looks[look]...)
				if got.Mode != "CSS1Compat" || got.Lang != "en" || !strings.HasPrefix(got.Title, "stackpolicy fleet: ") {
					t.Errorf("%+v", got)
				}
				if len(got.Twice)+max(got.Wide, 0)+got.Dead+got.Nameless+got.Skipped+got.Captions > 0 {
					t.Errorf("%+v", got)
				}
				if want := map[bool]string{false: "rgb(244, 245, 247)", true: "rgb(15, 19, 24)"}[look == "dark"]; got.Ground != want {
					t.Errorf("the ground is %s, want %s", got.Ground, want)
				}
			})
		}
	}
}

// timed is a script, for the test's copy of the page, that measures it, and uses the filter.
const timed = `<script>addEventListener('load', () => {
	const box = document.getElementById('filter'), shown = () => document.querySelectorAll('table.sources > tbody > tr:not([hidden])').length;
	const type = text => {
		const begun = performance.now();
		box.value = text; box.dispatchEvent(new Event('input')); document.body.offsetHeight;
		return performance.now() - begun;
	};
	const n = performance.getEntriesByType('navigation')[0];
	const told = {load: n.domComplete, rows: shown(), first: type('host-0007'), one: shown(), said: document.getElementById('said').textContent,
		second: type('PAGE  stack_running'), open: shown(), none: type('nobody'), left: shown(),
		sections: document.querySelectorAll('section.state-of:not([hidden])').length, cleared: type(''), all: shown(),
		search: document.getElementById('search').hidden, old: document.getElementById('old').hidden};
	document.documentElement.dataset.told = JSON.stringify(told);
})</script>`

type measured struct {
	Load, First, Second, None, Cleared   float64 // milliseconds
	Rows, One, Open, Left, Sections, All int
	Said                                 string
	Search, Old                          bool
}

// measure opens a page in which the script may run beside the page's own.
func measure(t *testing.T, b chromium.Browser, in Input) (m measured) {
	t.Helper()
	page := regexp.MustCompile(`<meta http-equiv[^>]*>`).ReplaceAllLiteralString(written(t, WriteHTML, in), timed)
	found := regexp.MustCompile(`data-told="([^"]*)"`).FindStringSubmatch(b.Run(b.Write("timed.html", []byte(page)), "--dump-dom"))
	if found == nil {
		t.Fatal("the page says nothing")
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(found[1], "&quot;", `"`)), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestThousandInChromium: a page of a thousand sources is there within two seconds, also on a
// machine that is busy, and each letter in the filter takes less than a third of one.
func TestThousandInChromium(t *testing.T) {
	b := chromium.New(t)
	in := many(1000)
	m := measure(t, b, in)
	t.Logf("%+v", m)
	if m.Rows != 1000 || m.One != 1 || m.Open != 180 || m.Left != 0 || m.Sections != 0 || m.All != 1000 || m.Said != "1 of 1000 sources" || m.Search {
		t.Errorf("the filter: %+v", m)
	}
	if m.Load > 2000 || max(m.First, m.Second, m.None, m.Cleared) > 300 {
		t.Errorf("too slow: %+v", m)
	}
	if m.Old {
		t.Error("the page is of another year, and does not say that it is old")
	}
	in.At = time.Now()
	if m := measure(t, b, in); !m.Old {
		t.Error("a new page says that it is old")
	}
}

// TestScriptInChromium: the page's own policy lets its own script run, and no other.
func TestScriptInChromium(t *testing.T) {
	b := chromium.New(t)
	page := written(t, WriteHTML, sample())
	dom := b.Run(b.Write("own.html", []byte(page)), "--dump-dom")
	if strings.Contains(dom, `id="search" role="search" hidden`) || !strings.Contains(dom, `id="search"`) {
		t.Error("its own script did not run")
	}
	dom = b.Run(b.Write("other.html", []byte(strings.Replace(page, "</body>", "<script>document.body.id = 'owned'</script></body>", 1))), "--dump-dom")
	if strings.Contains(dom, `id="owned"`) {
		t.Error("another script ran")
	}
}

// TestShotsInChromium draws the page; the pictures are kept where STACKPOLICY_SHOTS says.
func TestShotsInChromium(t *testing.T) {
	b := chromium.New(t)
	dir := os.Getenv("STACKPOLICY_SHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	// One that is open, to see what is in it.
	page := b.Write("sample.html", []byte(strings.Replace(written(t, WriteHTML, sample()), "<details><summary><span class=\"state page\">", "<details open><summary><span class=\"state page\">", 1)))
	for name, args := range map[string][]string{
		"light": {"--window-size=1280,2600"},
		"dark":  {"--window-size=1280,2600", "--blink-settings=preferredColorScheme=0"},
		"phone": {"--window-size=500,4500"},
	} {
		path := filepath.Join(dir, "fleet-"+name+".png")
		b.Run(page, append(args, "--screenshot="+path)...)
		if n := chromium.Colours(t, path); n < 20 {
			t.Errorf("%s: %d colours: nothing is drawn", name, n)
		}
	}
}
