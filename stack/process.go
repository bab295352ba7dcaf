package stack

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"stackpolicy/internal/compose"
	"stackpolicy/internal/regularfile"
)

// maxProc bounds what is read of /proc: 100,000 sockets are some 15 MiB.
const maxProc = 16 << 20

// process names a process of this account that has the port; "" when there is
// none, or another account has it.
func process(port compose.Port) string {
	inodes := sockets(port)
	if len(inodes) == 0 {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !inodes[target] {
			continue
		}
		pid := strings.Split(link, "/")[2]
		name, err := regularfile.Read(filepath.Join("/proc", pid, "comm"), maxProc)
		if err != nil {
			continue
		}
		return fmt.Sprintf("process %s (%s)", pid, bytes.TrimSpace(name))
	}
	return ""
}

// sockets returns those with the port, as links of /proc/PID/fd name them.
func sockets(port compose.Port) map[string]bool {
	found := map[string]bool{}
	number := fmt.Sprintf(":%04X", port.Number)
	for _, family := range []string{"", "6"} {
		text, err := regularfile.Read("/proc/net/"+port.Protocol+family, maxProc)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line) // proc_pid_net(5): address, …, state, …, inode
			listens := len(fields) > 9 && (fields[3] == "0A" || port.Protocol == "udp")
			if listens && strings.HasSuffix(fields[1], number) {
				found["socket:["+fields[9]+"]"] = true
			}
		}
	}
	return found
}
