package podman

import (
	"testing"
	"unicode/utf8"

	"stackpolicy/internal/podman/answer"
)

// FuzzAnswers: whatever podman answers, what is kept of it is bounded and valid UTF-8.
func FuzzAnswers(f *testing.F) {
	for _, name := range []string{"inspect-4.3", "inspect-5.4", "ps-4.3", "ps-5.4"} {
		f.Add(fixture(f, name+".json"))
	}
	f.Add([]byte(`[{"Id":"aa","Names":["x"],"RepoTags":["a:1"],"RepoDigests":["a@sha256:00"]}]`))
	f.Add([]byte(`{"Status":"auto-update","time":1795379744}` + "\n{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, line := range linesOf(text, len(text)%2 == 0, 10) {
			if !utf8.ValidString(line) {
				t.Errorf("a line of a log is not UTF-8: %q", line)
			}
		}
		_, _ = eventsOf(text)
		entries, err := answer.Array(text)
		if err != nil {
			return
		}
		_, _ = rowsOf(entries)
		_, _ = imagesOf(entries)
		for _, entry := range entries {
			_, _ = parseHealthLog(entry, "aa")
			if d, err := detailsOf(entry); err == nil {
				checkContainer(t, d.Container)
			}
		}
	})
}

func checkContainer(t *testing.T, c Container) {
	size := 0
	for key, value := range c.Labels {
		if !utf8.ValidString(key) || !utf8.ValidString(value) || len(value) > maxLabel {
			t.Errorf("label %.100q=%.100q", key, value)
		}
		if !IsRead(key) {
			size += len(key) + len(value)
		}
	}
	if size > maxLabels || answer.CheckID(c.ID) != nil || !utf8.ValidString(c.Name+c.Image+c.State+c.Health) {
		t.Errorf("%d bytes of labels, id %q, name %q", size, c.ID, c.Name)
	}
}
