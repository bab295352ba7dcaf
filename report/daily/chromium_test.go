package daily

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stackpolicy/report/look"
)

// browser runs Chromium without a window; a test without it is skipped.
type browser struct {
	t       *testing.T
	program string
	dir     string // holds its profile and what it writes
}

func chromium(t *testing.T) browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium here (Debian's package chromium)")
	}
	return browser{t, program, t.TempDir()}
}

// run opens a page, and returns what it prints.
func (b browser) run(page string, args ...string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	argv := append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking",
		"--disable-component-update", "--no-first-run", "--no-proxy-server", "--virtual-time-budget=2000",
		"--user-data-dir=" + filepath.Join(b.dir, "profile"),
	}, append(args, page)...)
	out, err := exec.CommandContext(ctx, b.program, argv...).Output()
	if err != nil {
		b.t.Fatalf("chromium %v: %v", args, err)
	}
	return string(out)
}

// write puts a page into the browser's folder.
func (b browser) write(name string, text []byte) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		b.t.Fatal(err)
	}
	return "file://" + path
}

// lure is a server that a page must not ask for anything.
type lure struct {
	*httptest.Server
	lock  sync.Mutex
	asked []string
}

func newLure(t *testing.T) *lure {
	l := &lure{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		l.lock.Lock()
		defer l.lock.Unlock()
		l.asked = append(l.asked, r.URL.Path)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *lure) taken() []string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.asked
}

// TestHostileInChromium: nothing runs, nothing is fetched, no dialog stops the
// page. The same strings in a page without care do all of that.
func TestHostileInChromium(t *testing.T) {
	b, server := chromium(t), newLure(t)
	dom := b.run(b.write("hostile.html", html(t, hostile(server.URL))), "--dump-dom")
	if taken := server.taken(); len(taken) > 0 {
		t.Errorf("the page fetched %v", taken)
	}
	for _, bad := range []string{"data-owned", "<script", "<img", "<iframe", "<link", "http-equiv=\"refresh\""} {
		if strings.Contains(strings.ToLower(dom), bad) {
			t.Errorf("the document has %s", bad)
		}
	}
	if !strings.Contains(dom, "</footer>") || !strings.Contains(dom, "&lt;script&gt;") {
		t.Errorf("not the whole page: %d bytes", len(dom))
	}
	careless := "<!doctype html><body>" + strings.Join(nasty(server.URL)[:3], "<hr>")
	dom = b.run(b.write("careless.html", []byte(careless)), "--dump-dom")
	if len(server.taken()) < 2 || !strings.Contains(dom, "data-owned") {
		t.Errorf("a page without care did nothing, so the test above proves nothing: fetched %v", server.taken())
	}
}

// probe is a script, for the test's copy of the page alone, that has the
// browser report its result.
const probe = `<script>addEventListener('load', () => {
	const all = [...document.querySelectorAll('*')];
	const twice = all.map(e => e.id).filter((id, i, l) => id && l.indexOf(id) != i);
	const levels = [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1]);
	const dead = [...document.querySelectorAll('a')].filter(a => !document.getElementById(a.hash.slice(1)));
	const nameless = [...document.querySelectorAll('section,nav,svg[role=img]')].filter(e => !(e.ariaLabel ||
		document.getElementById(e.getAttribute('aria-labelledby')))).length;
	document.documentElement.dataset.told = JSON.stringify({
		mode: document.compatMode, title: document.title, lang: document.documentElement.lang, twice, levels, dead: dead.length,
		wide: document.scrollingElement.scrollWidth - innerWidth, nameless, ground: getComputedStyle(document.body).backgroundColor,
		skipped: levels.filter((l, i) => i && l > levels[i - 1] + 1).length, captions: document.querySelectorAll('table:not(:has(caption))').length,
	});
})</script>`

// told is the result of the probe.
type told struct {
	Mode, Title, Lang, Ground               string
	Twice                                   []string
	Levels                                  []int
	Wide, Dead, Nameless, Skipped, Captions int
}

func (b browser) probe(name string, page []byte, args ...string) told {
	b.t.Helper()
	text := string(page)
	policy := regexp.MustCompile(`<meta http-equiv[^>]*>`)
	dom := b.run(b.write(name, []byte(policy.ReplaceAllString(text, probe))), append(args, "--dump-dom")...)
	m := regexp.MustCompile(`data-told="([^"]*)"`).FindStringSubmatch(dom)
	if m == nil {
		b.t.Fatalf("the probe says nothing: %.300s", dom)
	}
	var out told
	if err := json.Unmarshal([]byte(strings.ReplaceAll(strings.ReplaceAll(m[1], "&quot;", `"`), "&amp;", "&")), &out); err != nil {
		b.t.Fatal(err)
	}
	return out
}

// TestLayoutInChromium: the browser finds no fault with the page, light and
// dark, wide and narrow: nothing sticks out, headings are in order, links lead
// somewhere, and what needs a name has one.
func TestLayoutInChromium(t *testing.T) {
	b := chromium(t)
	pages := map[string]Input{"day": sample(), "nothing": nothing(), "hostile": hostile("http://127.0.0.1:1")}
	for name, in := range pages {
		page := html(t, in)
		for look, args := range map[string][]string{
			"light": {"--window-size=1280,1000"},
			"dark":  {"--window-size=1280,1000", "--blink-settings=preferredColorScheme=0"},
			"phone": {"--window-size=500,900"},
		} {
			t.Run(name+" "+look, func(t *testing.T) {
				b := browser{t, b.program, b.dir}
				got := b.probe(name+".html", page, args...)
				if got.Mode != "CSS1Compat" || got.Lang != "en" || !strings.HasPrefix(got.Title, "stackpolicy: ") {
					t.Errorf("%+v", got)
				}
				if len(got.Twice)+max(got.Wide, 0)+got.Dead+got.Nameless+got.Skipped+got.Captions > 0 {
					t.Errorf("%+v", got)
				}
				if want := ground(look == "dark"); got.Ground != want {
					t.Errorf("the ground is %s, want %s", got.Ground, want)
				}
			})
		}
	}
}

// TestShotsInChromium draws the page as it is seen and printed; the pictures
// are kept where STACKPOLICY_SHOTS says.
func TestShotsInChromium(t *testing.T) {
	b := chromium(t)
	dir := os.Getenv("STACKPOLICY_SHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	page := b.write("day.html", html(t, sample()))
	for name, args := range map[string][]string{
		"light": {"--window-size=1280,2600"},
		"dark":  {"--window-size=1280,2600", "--blink-settings=preferredColorScheme=0"},
		"phone": {"--window-size=500,4500"},
	} {
		path := filepath.Join(dir, name+".png")
		b.run(page, append(args, "--screenshot="+path)...)
		if n := colours(t, path); n < 20 {
			t.Errorf("%s: %d colours: nothing is drawn", name, n)
		}
	}
	path := filepath.Join(dir, "print.pdf")
	b.run(page, "--no-pdf-header-footer", "--print-to-pdf="+path)
	if info, err := os.Stat(path); err != nil || info.Size() < 20_000 {
		t.Errorf("print: %v, %v", info, err)
	}
}

// colours counts the different ones of a picture.
func colours(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for y := picture.Bounds().Min.Y; y < picture.Bounds().Max.Y; y += 3 {
		for x := picture.Bounds().Min.X; x < picture.Bounds().Max.X; x += 3 {
			seen[fmt.Sprint(picture.At(x, y))] = true
		}
	}
	return len(seen)
}

// palettes are the colours of the style, by name: light, dark and printed.
func palettes(t *testing.T) []map[string]string {
	t.Helper()
	var out []map[string]string
	for _, block := range regexp.MustCompile(`:root \{([^}]*)\}`).FindAllStringSubmatch(look.Style(), -1) {
		colours := map[string]string{}
		for _, c := range regexp.MustCompile(`--(\w+): #(\w{6});`).FindAllStringSubmatch(block[1], -1) {
			colours[c[1]] = c[2]
		}
		out = append(out, colours)
	}
	return out
}

func ground(dark bool) string {
	colour := map[bool]string{false: "f4f5f7", true: "0f1318"}[dark]
	r, g, b := channels(colour)
	return fmt.Sprintf("rgb(%.0f, %.0f, %.0f)", r, g, b)
}

func channels(colour string) (r, g, b float64) {
	n, _ := strconv.ParseUint(colour, 16, 32)
	return float64(n >> 16), float64(n >> 8 & 0xff), float64(n & 0xff)
}

// luminance is WCAG 2.2's relative luminance.
func luminance(colour string) float64 {
	linear := func(c float64) float64 {
		if c /= 255; c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	r, g, b := channels(colour)
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

// TestContrast: everything written is at least 4.5 to 1 against what is behind
// it (WCAG 2.2, 1.4.3), in light, dark and print.
func TestContrast(t *testing.T) {
	all := palettes(t)
	if len(all) != 3 {
		t.Fatalf("%d palettes", len(all))
	}
	for _, p := range all {
		for _, behind := range []string{"ground", "sheet"} {
			for _, ink := range []string{"ink", "quiet", "link", "ok", "ticket", "page", "unknown", "none"} {
				a, b := luminance(p[ink])+0.05, luminance(p[behind])+0.05
				if p[ink] == "" || max(a, b)/min(a, b) < 4.5 {
					t.Errorf("%s (%s) on %s (%s): %.1f", ink, p[ink], behind, p[behind], max(a, b)/min(a, b))
				}
			}
		}
	}
}
