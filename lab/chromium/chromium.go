// Package chromium has tests open pages in a real browser.
//
// Start at [New].
package chromium

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/png" // screenshots are
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// Browser runs Chromium without a window. New makes one.
type Browser struct {
	t       testing.TB
	program string
	dir     string // holds its profile and what it writes
}

// New returns a browser for a test. A test without Chromium is skipped.
func New(t testing.TB) Browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium here (Debian's package chromium)")
	}
	return Browser{t, program, t.TempDir()}
}

// For returns the same browser for a part of the test.
func (b Browser) For(t testing.TB) Browser { return Browser{t, b.program, b.dir} }

// Run opens a page, and returns what it prints.
func (b Browser) Run(page string, args ...string) string {
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

// Write puts a page into the browser's folder, and returns its URL.
func (b Browser) Write(name string, text []byte) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		b.t.Fatal(err)
	}
	return "file://" + path
}

// Lure is a server that a page must not ask for anything.
type Lure struct {
	*httptest.Server
	lock  sync.Mutex
	asked []string
}

// NewLure starts one, until the end of the test.
func NewLure(t testing.TB) *Lure {
	l := &Lure{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		l.lock.Lock()
		defer l.lock.Unlock()
		l.asked = append(l.asked, r.URL.Path)
	}))
	t.Cleanup(l.Close)
	return l
}

// Taken lists the paths that it was asked for.
func (l *Lure) Taken() []string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.asked
}

// probe is a script, for the test's copy of the page alone, that has the
// browser report its result.
const probe = `<script>addEventListener('load', () => {
	const all = [...document.querySelectorAll('*')];
	const twice = all.map(e => e.id).filter((id, i, l) => id && l.indexOf(id) != i);
	const levels = [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1]);
	const dead = [...document.querySelectorAll('a')].filter(a => a.pathname == location.pathname && !document.getElementById(a.hash.slice(1)));
	const nameless = [...document.querySelectorAll('section,nav,svg[role=img]')].filter(e => !(e.ariaLabel ||
		document.getElementById(e.getAttribute('aria-labelledby')))).length;
	document.documentElement.dataset.told = JSON.stringify({
		mode: document.compatMode, title: document.title, lang: document.documentElement.lang, twice, levels, dead: dead.length,
		wide: document.scrollingElement.scrollWidth - innerWidth, nameless, ground: getComputedStyle(document.body).backgroundColor,
		skipped: levels.filter((l, i) => i && l > levels[i - 1] + 1).length, captions: document.querySelectorAll('table:not(:has(caption))').length,
	});
})</script>`

// Told is what a probe found: ids that are there twice, levels of headings, by how much the page
// is too wide, links without a target on the page, and how many parts lack a name, skip a level
// of heading, or are tables without a caption.
type Told struct {
	Mode, Title, Lang, Ground               string
	Twice                                   []string
	Levels                                  []int
	Wide, Dead, Nameless, Skipped, Captions int
}

// Probe opens a copy of a page that has a script in place of its content security policy, and
// returns what the script found.
func (b Browser) Probe(name string, page []byte, args ...string) Told {
	b.t.Helper()
	text := string(page)
	policy := regexp.MustCompile(`<meta http-equiv[^>]*>`)
	dom := b.Run(b.Write(name, []byte(policy.ReplaceAllString(text, probe))), append(args, "--dump-dom")...)
	m := regexp.MustCompile(`data-told="([^"]*)"`).FindStringSubmatch(dom)
	if m == nil {
		b.t.Fatalf("the probe says nothing: %.300s", dom)
	}
	var out Told
	if err := json.Unmarshal([]byte(strings.ReplaceAll(strings.ReplaceAll(m[1], "&quot;", `"`), "&amp;", "&")), &out); err != nil {
		b.t.Fatal(err)
	}
	return out
}

// Colours counts the different ones of a picture.
func Colours(t testing.TB, path string) int {
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
