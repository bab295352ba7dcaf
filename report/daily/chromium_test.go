package daily

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"stackpolicy/lab/chromium"
	"stackpolicy/report/look"
)

// TestHostileInChromium: nothing runs, nothing is fetched, no dialog stops the
// page. The same strings in a page without care do all of that.
func TestHostileInChromium(t *testing.T) {
	b, server := chromium.New(t), chromium.NewLure(t)
	dom := b.Run(b.Write("hostile.html", html(t, hostile(server.URL))), "--dump-dom")
	if taken := server.Taken(); len(taken) > 0 {
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
	dom = b.Run(b.Write("careless.html", []byte(careless)), "--dump-dom")
	if len(server.Taken()) < 2 || !strings.Contains(dom, "data-owned") {
		t.Errorf("a page without care did nothing, so the test above proves nothing: fetched %v", server.Taken())
	}
}

// TestLayoutInChromium: the browser finds no fault with the page, light and
// dark, wide and narrow: nothing sticks out, headings are in order, links lead
// somewhere, and what needs a name has one.
func TestLayoutInChromium(t *testing.T) {
	b := chromium.New(t)
	pages := map[string]Input{"day": sample(), "nothing": nothing(), "hostile": hostile("http://127.0.0.1:1")}
	for name, in := range pages {
		page := html(t, in)
		for look, args := range map[string][]string{
			"light": {"--window-size=1280,1000"},
			"dark":  {"--window-size=1280,1000", "--blink-settings=preferredColorScheme=0"},
			"phone": {"--window-size=500,900"},
		} {
			t.Run(name+" "+look, func(t *testing.T) {
				b := b.For(t)
				got := b.Probe(name+".html", page, args...)
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
	b := chromium.New(t)
	dir := os.Getenv("STACKPOLICY_SHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	page := b.Write("day.html", html(t, sample()))
	for name, args := range map[string][]string{
		"light": {"--window-size=1280,2600"},
		"dark":  {"--window-size=1280,2600", "--blink-settings=preferredColorScheme=0"},
		"phone": {"--window-size=500,4500"},
	} {
		path := filepath.Join(dir, name+".png")
		b.Run(page, append(args, "--screenshot="+path)...)
		if n := chromium.Colours(t, path); n < 20 {
			t.Errorf("%s: %d colours: nothing is drawn", name, n)
		}
	}
	path := filepath.Join(dir, "print.pdf")
	b.Run(page, "--no-pdf-header-footer", "--print-to-pdf="+path)
	if info, err := os.Stat(path); err != nil || info.Size() < 20_000 {
		t.Errorf("print: %v, %v", info, err)
	}
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
