package journal

import (
	"fmt"
	"os"
	"syscall"
)

// Connected says whether a file, such as stderr, leads to the journal already:
// JOURNAL_STREAM names the device and inode of the stream that the manager gave
// a unit (systemd.exec(5)), and a file that was redirected since has others.
func Connected(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
