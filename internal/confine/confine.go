// Package confine runs part of a program in a child process of the same program.
// The child has a memory limit, cannot open files, and can be killed at any time without
// harm to the parent.
//
// Parent and child exchange frames of bytes over two pipes. The parent starts at
// [Start]. The program's main calls [Wanted] first, and [Child] when it is true.
package confine

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// hidden is the argument that makes a program the child of itself.
const hidden = "confined"

// Wanted reports whether the program was started by [Start].
func Wanted(args []string) bool { return len(args) == 2 && args[1] == hidden }

// maxFrame bounds one frame: a facts document has at most 128 MiB.
const maxFrame = 160 << 20

// hello is the child's first frame. A program that does not call [Wanted] sends
// something else.
const hello = "stackpolicy confined 1"

// startLimit bounds how long the child may take to say hello.
const startLimit = 20 * time.Second

var (
	// ErrTime is the error for a child that did not answer in time.
	ErrTime = errors.New("it took longer than its time limit")
	// ErrMemory is the error for a child that ran out of memory.
	ErrMemory = errors.New("it needed more than its memory limit")
	// ErrEnded is the error for a child that ended for any other reason.
	ErrEnded = errors.New("its process ended")

	errTooLarge = errors.New("the frame is too large")
)

// Process is a child. It serves one goroutine at a time.
type Process struct {
	cmd    *exec.Cmd
	in     *os.File
	out    *os.File
	frames *bufio.Reader
	stderr *head
	ended  chan struct{} // closed when the child is gone
}

// Start runs this program as a child with the memory limit, in bytes. The child
// is killed when ctx ends, and ends when this process does. Call Stop at the end.
func Start(ctx context.Context, memory uint64) (*Process, error) {
	if os.Getenv(memoryVariable) != "" {
		return nil, errors.New("start a process for the rules: this is one already")
	}
	p, err := start(ctx, memory)
	if err != nil {
		return nil, fmt.Errorf("start a process for the rules: %w", err)
	}
	first, err := p.Receive(ctx, startLimit)
	if err == nil && string(first) != hello {
		err = errors.New("the program does not know how to be one")
	}
	if err != nil {
		p.Stop()
		return nil, fmt.Errorf("start a process for the rules: %w", err)
	}
	return p, nil
}

func start(ctx context.Context, memory uint64) (*Process, error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer childIn.Close()
	out, childOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	defer childOut.Close()
	p := &Process{in: in, out: out, frames: bufio.NewReaderSize(out, 1<<16), stderr: &head{}, ended: make(chan struct{})}
	// The link is to what runs, also after an upgrade has replaced the file.
	p.cmd = exec.CommandContext(ctx, "/proc/self/exe")
	p.cmd.Args = []string{os.Args[0], hidden}
	p.cmd.Env = []string{"TZ=UTC", "GOTRACEBACK=none", memoryVariable + "=" + fmt.Sprint(memory), "GOMAXPROCS=" + fmt.Sprint(runtime.GOMAXPROCS(0))}
	p.cmd.Dir = "/"
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = childIn, childOut, p.stderr
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, in.Close(), out.Close())
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()
	return p, nil
}

// Stop kills the child and waits for its end.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
	_ = errors.Join(p.in.Close(), p.out.Close())
}

// Send writes one frame, at most for the time limit.
func (p *Process) Send(ctx context.Context, frame []byte, limit time.Duration) error {
	defer p.until(ctx, limit, p.in.SetWriteDeadline)()
	return p.explain(ctx, writeFrame(p.in, frame))
}

// Receive reads one frame, and waits for it at most for the time limit.
func (p *Process) Receive(ctx context.Context, limit time.Duration) ([]byte, error) {
	defer p.until(ctx, limit, p.out.SetReadDeadline)()
	frame, err := readFrame(p.frames)
	return frame, p.explain(ctx, err)
}

// until sets a deadline that is over when ctx ends. Call what it returns.
func (p *Process) until(ctx context.Context, limit time.Duration, set func(time.Time) error) (stop func() bool) {
	_ = set(time.Now().Add(limit)) // pipes have deadlines
	return context.AfterFunc(ctx, func() { _ = set(time.Unix(1, 0)) })
}

// explain says why the child gave no answer. Go ends with status 2 wherever it
// finds no memory, also with a segmentation violation; what kills a process that
// nobody stopped is the kernel, for want of memory.
func (p *Process) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrTime
	case errors.Is(err, errTooLarge):
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(time.Second):
		return fmt.Errorf("read what the rules' process says: %w", err)
	}
	said, state := p.stderr.String(), p.cmd.ProcessState
	if isCrash := state.ExitCode() == 2 && !strings.Contains(said, "panic: "); isCrash || state.ExitCode() == -1 {
		return ErrMemory
	}
	first, _, _ := strings.Cut(said, "\n")
	return fmt.Errorf("%w: %s %s", ErrEnded, state, first)
}

// head keeps the beginning of what a child writes to standard error.
type head struct{ strings.Builder }

const maxHead = 2000

func (h *head) Write(p []byte) (int, error) {
	h.Builder.Write(p[:min(len(p), maxHead-h.Len())])
	return len(p), nil
}

func writeFrame(w io.Writer, frame []byte) error {
	if len(frame) > maxFrame {
		return fmt.Errorf("%w: %d bytes, at most %d", errTooLarge, len(frame), maxFrame)
	}
	if _, err := w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(frame)))); err != nil {
		return err
	}
	_, err := w.Write(frame)
	return err
}

// readFrame grows its buffer as bytes arrive: the length alone costs nothing.
func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	length := int64(binary.BigEndian.Uint32(size[:]))
	if length > maxFrame {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", errTooLarge, length, maxFrame)
	}
	frame, err := io.ReadAll(io.LimitReader(r, length))
	if err == nil && int64(len(frame)) < length {
		err = io.ErrUnexpectedEOF
	}
	return frame, err
}
