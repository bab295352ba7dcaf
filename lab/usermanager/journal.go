package usermanager

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// journal replaces systemd-journald. The manager reports what is wrong with a unit only
// there, and services write to it. It keeps the entries in memory and writes their
// messages to a log.
type journal struct {
	log    io.Writer
	native *net.UnixConn     // /run/systemd/journal/socket
	stdout *net.UnixListener // /run/systemd/journal/stdout

	mu      sync.Mutex
	entries []map[string]string
}

// newJournal listens in dir, which setup.sh mounts as the journal's folder.
func newJournal(dir string, log io.Writer) (j *journal, err error) {
	if err := makeFolder(dir, 0o755); err != nil {
		return nil, err
	}
	j = &journal{log: log}
	native, stdout := filepath.Join(dir, "socket"), filepath.Join(dir, "stdout")
	if j.native, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: native, Net: "unixgram"}); err != nil {
		return nil, fmt.Errorf("listen as the journal: %w", err)
	}
	if j.stdout, err = net.ListenUnix("unix", &net.UnixAddr{Name: stdout, Net: "unix"}); err != nil {
		j.native.Close()
		return nil, fmt.Errorf("listen as the journal: %w", err)
	}
	go j.readNative()
	go j.readStdout()
	for _, socket := range []string{native, stdout} {
		if err := os.Chmod(socket, 0o666); err != nil {
			j.close()
			return nil, fmt.Errorf("open the journal to the account: %w", err)
		}
	}
	return j, nil
}

func (j *journal) close() {
	j.native.Close()
	j.stdout.Close()
}

// add stores an entry and writes its message to the log.
func (j *journal) add(entry map[string]string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry)
	fmt.Fprintf(j.log, "%s: %s\n", entry["SYSLOG_IDENTIFIER"], entry["MESSAGE"])
}

func (j *journal) all() []map[string]string {
	j.mu.Lock()
	defer j.mu.Unlock()
	copied := make([]map[string]string, len(j.entries))
	for i, entry := range j.entries {
		copied[i] = maps.Clone(entry)
	}
	return copied
}

// readNative reads entries of the native protocol until the socket is closed.
func (j *journal) readNative() {
	datagram := make([]byte, 1<<20)
	for {
		n, err := j.native.Read(datagram)
		if err != nil {
			return
		}
		if entry := parseEntry(datagram[:n]); len(entry) > 0 {
			j.add(entry)
		}
	}
}

// parseEntry reads the journal's native protocol
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL): KEY=value lines, or, for values
// with line breaks, KEY, a line break, a 64-bit length, the value and a line
// break. An entry that is too large for a datagram arrives as an empty datagram with a
// file; it is ignored.
func parseEntry(data []byte) map[string]string {
	entry := map[string]string{}
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		if key, value, found := bytes.Cut(line, []byte("=")); found {
			entry[string(key)] = string(value)
			data = rest
			continue
		}
		if len(rest) < 8 {
			break
		}
		size := binary.LittleEndian.Uint64(rest)
		rest = rest[8:]
		if size > uint64(len(rest)) {
			break
		}
		entry[string(line)] = string(rest[:size])
		data = bytes.TrimPrefix(rest[size:], []byte("\n"))
	}
	return entry
}

// readStdout accepts the output streams of services until the socket is closed.
func (j *journal) readStdout() {
	for {
		stream, err := j.stdout.Accept()
		if err != nil {
			return
		}
		go func() {
			defer stream.Close()
			j.readStream(stream)
		}()
	}
}

// streamHeader is the number of lines at the start of an output stream:
// identifier, unit (empty from a user manager), priority, whether to read priorities from
// the text, and whether to forward to syslog, kernel log and console.
const streamHeader = 7

func (j *journal) readStream(stream io.Reader) {
	lines := bufio.NewReader(stream)
	var header [streamHeader]string
	for i := range header {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		header[i] = strings.TrimSuffix(line, "\n")
	}
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			j.add(map[string]string{
				"SYSLOG_IDENTIFIER": header[0],
				"_TRANSPORT":        "stdout",
				"MESSAGE":           line,
			})
		}
		if err != nil {
			return
		}
	}
}
