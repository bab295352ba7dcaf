package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestStatusInTheLog: in the journal an audit says what its exit status means, and elsewhere,
// or if all is well, it does not.
func TestStatusInTheLog(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("stackpolicy") // testscript.Main put it there
	if err != nil {
		t.Fatal(err)
	}
	const page, good, says = "eval --facts ../../testdata/facts/page.json", "eval --facts ../../testdata/facts/good.json", "stackpolicy: exit status "
	for _, c := range []struct {
		line      string
		inJournal bool
		want      string
	}{
		{page, true, says + "2 means critical: a page, or a heal that failed\n"},
		{page, false, ""},
		{good, true, ""},
		{"eval --facts none.json", true, says + "3 means unknown: "},
		{"status", true, ""},
	} {
		log, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		info, err := log.Stat()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, strings.Fields(c.line)...)
		cmd.Env = []string{"HOME=" + t.TempDir()}
		if stat := info.Sys().(*syscall.Stat_t); c.inJournal {
			cmd.Env = append(cmd.Env, fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, stat.Ino))
		}
		cmd.Stdout, cmd.Stderr = log, log
		_ = cmd.Run() // its status is that of the audit
		got, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		if c.want == "" && strings.Contains(string(got), says) || !strings.Contains(string(got), c.want) {
			t.Errorf("%s: got %s, want %q", c.line, got, c.want)
		}
	}
}
