package stack

import (
	"os"
	"testing"
	"time"
)

func TestPrefetch(t *testing.T) {
	cases := []struct {
		name   string
		change func(*world)
		want   Outcome
		words  string
	}{
		{"all are here", func(*world) {}, Prefetched, "here already"},
		{"one is missing", func(w *world) { w.images(""); w.write("pull", "", 0o644) }, Prefetched, "fetched or built: localhost/app:1"},
		{"the registry does not have it", func(w *world) { w.images("") }, NotFetched, "localhost/app:1"},
		{"the registry hangs", func(w *world) {
			w.images("")
			if err := os.Mkdir(w.path("pull"), 0o700); err != nil {
				w.t.Fatal(err)
			}
		}, NotFetched, "not done within 2s (--timeout)"},
		{"podman does not answer", func(w *world) { w.write("ps.json", "nonsense", 0o644) }, NoPodman, "podman ps"},
		{"the compose file is broken", func(w *world) { w.write("compose.yaml", "services: [", 0o644) }, BadCompose, "compose.yaml"},
	}
	for _, c := range cases {
		testIn(t, c.name, func(t *testing.T, w *world) {
			w.write("up", provider, 0o755)
			c.change(w)
			want(t, w.Prefetch(t.Context(), w.web(nil), 2*time.Second), c.want, c.words)
			if _, err := os.Stat(w.path("calls")); err == nil {
				t.Error("the provider was run")
			}
			if got := w.last(); got.Step != "" {
				t.Errorf("recorded %+v", got)
			}
		})
	}
}
