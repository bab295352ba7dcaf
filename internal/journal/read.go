package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"stackpolicy/internal/bounded"
)

// Bounds of what Last reads.
const (
	maxLines   = 100
	maxAnswer  = 1 << 20
	maxWarning = 4 << 10
	readLimit  = 5 * time.Second
)

// Reader reads the journal with journalctl.
type Reader struct {
	Command string // path of journalctl; "" means that it is not installed
}

// Installed returns a reader with the journalctl of the PATH, or of a usual folder.
func Installed() Reader {
	for _, name := range []string{"journalctl", "/usr/bin/journalctl", "/run/current-system/sw/bin/journalctl"} {
		if path, err := exec.LookPath(name); err == nil {
			return Reader{path}
		}
	}
	return Reader{}
}

// Last returns the last lines about a user unit that the account may read, oldest first, each
// with its time in UTC: at most 100. A line that is too long for journalctl is left out. Lines
// are valid UTF-8, with their control characters. It waits five seconds at most.
func (r Reader) Last(ctx context.Context, unit string, lines int) ([]string, error) {
	switch lines = min(lines, maxLines); {
	case r.Command == "":
		return nil, errors.New("no journalctl is installed")
	case unit == "" || strings.ContainsAny(unit, "*?[/ \t\n"): // journalctl reads patterns and paths
		return nil, fmt.Errorf("%q is no unit name", unit)
	case lines < 1:
		return nil, errors.New("read the journal: fewer than one line asked for")
	}
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	out, warning := &bounded.Tail{Limit: maxAnswer}, &bounded.Tail{Limit: maxWarning}
	cmd := exec.CommandContext(ctx, r.Command, "--user-unit="+unit, "--lines="+strconv.Itoa(lines), "--output=json",
		"--output-fields=MESSAGE", "--no-pager")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdout, cmd.Stderr = out, warning
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	found := entries(out.Kept)
	switch said := strings.TrimSpace(string(warning.Kept)); {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("journalctl: %w", context.Cause(ctx))
	case err != nil && said != "":
		return nil, fmt.Errorf("journalctl: %w: %s", err, said)
	case err != nil:
		return nil, fmt.Errorf("journalctl: %w", err)
	case len(found) == 0 && said != "": // such as that the account may read no journal
		return nil, fmt.Errorf("journalctl: %s", said)
	}
	return found[max(0, len(found)-lines):], nil
}

// entries reads journalctl's JSON, one entry a line. Lines that are no entry are left out.
func entries(out []byte) (lines []string) {
	for line := range bytes.Lines(out) {
		if !gjson.ValidBytes(line) {
			continue
		}
		micros, message := gjson.GetBytes(line, "__REALTIME_TIMESTAMP").Int(), gjson.GetBytes(line, "MESSAGE")
		if text, ok := messageOf(message); ok {
			lines = append(lines, time.UnixMicro(micros).UTC().Format("2006-01-02 15:04:05 ")+text)
		}
	}
	return lines
}

// messageOf returns a message. One that is no UTF-8, or has control characters, is a list of
// bytes; several messages of one entry are a list of texts.
func messageOf(v gjson.Result) (string, bool) {
	switch {
	case v.Type == gjson.String:
		return strings.ToValidUTF8(v.Str, "\uFFFD"), true
	case !v.IsArray():
		return "", false
	}
	var text []byte
	for _, b := range v.Array() {
		if b.Type == gjson.String {
			return messageOf(b)
		}
		text = append(text, byte(b.Int()))
	}
	return strings.ToValidUTF8(string(text), "\uFFFD"), true
}
