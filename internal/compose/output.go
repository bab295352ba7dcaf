package compose

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	maxLine   = 8 << 10 // bytes of one line
	maxOutput = 4 << 20 // bytes of all lines
)

// stream is what a provider prints, read while it runs.
type stream struct {
	from *os.File
	done chan struct{}
	to   *lines
}

// follow starts a command and reads what it prints. Both of its outputs are one
// pipe, so that their lines stay in order; its input is empty.
func follow(cmd *exec.Cmd, to *lines) (*stream, error) {
	from, into, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer into.Close()
	cmd.Stdout, cmd.Stderr = into, into
	if err := cmd.Start(); err != nil {
		from.Close()
		return nil, err
	}
	s := &stream{from: from, done: make(chan struct{}), to: to}
	go func() {
		defer close(s.done)
		io.Copy(struct{ io.Writer }{to}, from) // a read error is the end, as in close
	}()
	return s, nil
}

// close waits for the end of the output, but not for what the command left
// behind holding it open.
func (s *stream) close() {
	s.from.SetReadDeadline(time.Now().Add(waitDelay))
	<-s.done
	s.from.Close()
	s.to.close()
}

// lines hands on what is written to it, line by line.
type lines struct {
	each   func(string) // or nil
	failed failures
	last   string // the last line that says something

	line []byte // begun
	cut  bool   // it is longer than maxLine
	size int    // bytes of all lines
	full bool   // of which no more are handed on
}

// Write takes everything: a provider must not fail for what it prints.
func (w *lines) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part, after, whole := bytes.Cut(rest, []byte{'\n'})
		keep := min(len(part), maxLine-len(w.line))
		w.line = append(w.line, part[:keep]...)
		w.cut = w.cut || keep < len(part)
		if whole {
			w.end()
		}
		rest = after
	}
	return len(p), nil
}

// close ends a last line without a newline.
func (w *lines) close() {
	if len(w.line) > 0 {
		w.end()
	}
}

func (w *lines) end() {
	line := strings.TrimSuffix(strings.ToValidUTF8(string(w.line), "\uFFFD"), "\r")
	if w.cut {
		line += "…(cut)"
	}
	w.line, w.cut = w.line[:0], false
	if strings.TrimSpace(line) != "" {
		w.last = line
	}
	w.failed.read(line)
	w.hand(line)
}

func (w *lines) hand(line string) {
	w.size += len(line) + 1
	switch {
	case w.each == nil || w.full:
	case w.size > maxOutput:
		w.full = true
		w.each(fmt.Sprintf("…(more than %d MiB; the rest is left out)", maxOutput>>20))
	default:
		w.each(line)
	}
}
