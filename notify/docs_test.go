package notify

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

const page = "../docs/alerts.md"

// TestTheExamplesWork: every example of a configuration can be read, and every
// template for JSON gives valid JSON, whatever the texts contain.
func TestTheExamplesWork(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	tested := 0
	for _, example := range regexp.MustCompile("(?s)```yaml\n(alerts:.*?)```").FindAllStringSubmatch(string(text), -1) {
		c, err := parse(example[1])
		if err != nil {
			t.Fatal(err)
		}
		routes, err := c.Routes(Environment{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			if w, ok := r.Sink.(toWebhook); ok {
				tested++
				checkBody(t, w)
			}
		}
	}
	if tested != 4 {
		t.Errorf("%d webhooks are shown, want 4", tested)
	}
}

func checkBody(t *testing.T, w toWebhook) {
	t.Helper()
	odd := ended(KindResolved)
	odd.Message, odd.Title, odd.Steps = "\"quoted\"\n\x1b[31m \xff</script>", `\`, []string{"`a` \"b\""}
	for _, a := range []Alert{firing(), odd} {
		body, err := w.render(a)
		if err != nil {
			t.Errorf("%s: %v", w.Name(), err)
		}
		if plain := w.config.Headers["Content-Type"] == "text/plain"; !plain && !json.Valid(body) {
			t.Errorf("%s makes no JSON: %s", w.Name(), body)
		}
	}
}

// TestTheMessageIDsAreDocumented: and no others.
func TestTheMessageIDsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	kinds := everyKind()
	kinds[MessageCouldNotBegin] = Alert{}
	for id := range kinds {
		if !strings.Contains(string(text), "| `"+id+"` |") {
			t.Errorf("%s is not in %s", id, page)
		}
	}
	if n := len(regexp.MustCompile("(?m)^\\| `[0-9a-f]{32}` ").FindAll(text, -1)); n != len(kinds) {
		t.Errorf("%s has %d message ids, want %d", page, n, len(kinds))
	}
}
