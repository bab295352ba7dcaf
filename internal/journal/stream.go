package journal

import (
	"fmt"
	"os"
	"syscall"
)

// Connected reports whether a file, such as stderr, leads to the journal.
// JOURNAL_STREAM has the device and inode of the stream that the manager gave the
// unit (systemd.exec(5)). A file that was redirected later has other numbers.
func Connected(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
