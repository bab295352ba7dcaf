package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestConnected(t *testing.T) {
	stream, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var stat syscall.Stat_t
	if err := syscall.Fstat(int(stream.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		variable string
		want     bool
	}{
		"the stream":     {fmt.Sprintf("%d:%d", stat.Dev, stat.Ino), true},
		"another inode":  {fmt.Sprintf("%d:%d", stat.Dev, stat.Ino+1), false},
		"another device": {fmt.Sprintf("%d:%d", stat.Dev+1, stat.Ino), false},
		"none":           {"", false},
		"garbage":        {"stream", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("JOURNAL_STREAM", test.variable)
			if got := Connected(stream); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
	t.Run("closed", func(t *testing.T) {
		t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", stat.Dev, stat.Ino))
		stream.Close()
		if Connected(stream) {
			t.Error("a closed file leads to the journal")
		}
	})
}
