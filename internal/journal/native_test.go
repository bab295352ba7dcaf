package journal

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"
)

// receive reads one entry as journald does: each field is NAME=VALUE, or name, size
// and bytes (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/).
func receive(t *testing.T, journal *net.UnixConn) map[string]string {
	t.Helper()
	if err := journal.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	datagram := make([]byte, 1<<20)
	n, err := journal.Read(datagram)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for rest := string(datagram[:n]); rest != ""; {
		line, after, ended := strings.Cut(rest, "\n")
		name, value, short := strings.Cut(line, "=")
		if !short {
			size := binary.LittleEndian.Uint64([]byte(after[:8]))
			value, after, ended = after[8:8+size], after[8+size+1:], after[8+size] == '\n'
		}
		if _, twice := fields[name]; twice || !ended {
			t.Fatalf("field %s: there twice %t, ended %t", name, twice, ended)
		}
		fields[name], rest = value, after
	}
	return fields
}
