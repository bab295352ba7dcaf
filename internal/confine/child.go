package confine

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxStack bounds one goroutine: a parser that recurses without an end.
const maxStack = 64 << 20

// memoryVariable has the child's memory limit.
const memoryVariable = "CONFINED_MEMORY"

// Conn is the child's end of the pipes.
type Conn struct {
	requests chan []byte
	out      *os.File
	memory   uint64 // the limit, in bytes
	space    uint64 // the address space at the start, in bytes
}

// Child permanently makes this process a confined child: it cannot open files, its time zone
// is UTC, it has little memory, and it ends when its parent ends.
func Child() (*Conn, error) {
	// The parent decides when the child ends, also after Ctrl-C in a terminal.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	time.Local = time.UTC
	memory, err := strconv.ParseUint(os.Getenv(memoryVariable), 10, 64)
	if err != nil {
		return nil, err
	}
	c := &Conn{requests: make(chan []byte), out: os.Stdout, memory: memory}
	if err := c.confine(); err != nil {
		return nil, err
	}
	go c.listen()
	return c, c.Send([]byte(hello))
}

// confine uses prlimit(2), which the units' SystemCallFilter= allows; setrlimit(2)
// is among its @resources.
func (c *Conn) confine() error {
	time.Sleep(1) // the first timer makes Go's runtime open what it polls
	var err error
	if c.space, err = addressSpace(); err != nil {
		return err
	}
	const none = 0
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_CORE:   none,
		unix.RLIMIT_FSIZE:  none, // of files; pipes have none
		unix.RLIMIT_NOFILE: none, // what is open stays so
	} {
		if err := unix.Prlimit(0, resource, &unix.Rlimit{Cur: limit, Max: limit}, nil); err != nil {
			return os.NewSyscallError("prlimit", err)
		}
	}
	return c.Allow(0)
}

// Allow sets the memory limit to what the child was started with and extra.
func (c *Conn) Allow(extra uint64) error {
	limit := c.memory + extra
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(int64(limit / 8 * 7)) // before the limit, collect more often
	// RLIMIT_DATA counts writable memory, but Linux does not check it for what is
	// mapped over address space that was reserved before, as Go maps its heap. So
	// the address space must not grow by more either.
	return errors.Join(allow(unix.RLIMIT_DATA, limit), allow(unix.RLIMIT_AS, c.space+limit))
}

func allow(resource int, limit uint64) error {
	var limits unix.Rlimit
	if err := unix.Prlimit(0, resource, nil, &limits); err != nil {
		return os.NewSyscallError("prlimit", err)
	}
	limits.Cur = min(limit, limits.Max)
	return os.NewSyscallError("prlimit", unix.Prlimit(0, resource, &limits, nil))
}

// addressSpace is how many bytes of address space the process has now: Go reserves
// more than a gigabyte when it starts (proc_pid_statm(5)).
func addressSpace() (uint64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var pages uint64
	if _, err := fmt.Sscan(string(text), &pages); err != nil {
		return 0, fmt.Errorf("read /proc/self/statm: %w", err)
	}
	return pages * uint64(os.Getpagesize()), nil
}

// listen reads what the parent sends. Its end is this process's end, whatever
// else goes on.
func (c *Conn) listen() {
	in := bufio.NewReaderSize(os.Stdin, 1<<16)
	for {
		frame, err := readFrame(in)
		if err != nil {
			os.Exit(0)
		}
		c.requests <- frame
	}
}

// Receive waits for a frame.
func (c *Conn) Receive() []byte { return <-c.requests }

// Send writes a frame. Only one goroutine may send at a time.
func (c *Conn) Send(frame []byte) error { return writeFrame(c.out, frame) }
