package text

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"db.service", "web.service", "web.socket.old", "web@one.service", "feeds.timer"}
	for s, want := range map[string]string{
		"web.servic": "web.service", "webb.service": "web.service", "web.service": "web.service",
		"feeds.service": "feeds.timer", "web.socket": "web.service", "other.service": "", "": "", ".": "", "x": "", "bd.service": "db.service",
		"web@.service": "web.service", "web@tow.service": "web@one.service", "feed.timer": "feeds.timer",
		"bw.service": "db.service", "wbe.service": "web.service", "wbe.servcie": "web.service", "no": "", "wbe": "web.service", "feds": "feeds.timer",
	} {
		if got := Nearest(s, known); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
