package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// builtIn is the folder of the programs; "" before they are built.
var builtIn string

// programs builds stackfleet and stackpolicy once.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stackfleet-test-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	out, err := exec.Command("go", "build", "-o", dir, "stackpolicy/cmd/stackfleet", "stackpolicy/cmd/stackpolicy").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return dir, nil
})

// terminal is a shell on one machine: a home, and what runs in it.
type terminal struct {
	t    *testing.T
	home string
}

func newTerminal(t *testing.T) terminal {
	t.Helper()
	return terminal{t, t.TempDir()}
}

func (x terminal) command(args ...string) *exec.Cmd {
	x.t.Helper()
	bin, err := programs()
	if err != nil {
		x.t.Fatal(err)
	}
	cmd := exec.CommandContext(x.t.Context(), filepath.Join(bin, args[0]), args[1:]...)
	cmd.Env = []string{"HOME=" + x.home, "PATH=" + bin, "USER=alice", "LC_ALL=C.UTF-8", "XDG_RUNTIME_DIR=" + x.home, "NOTIFY_SOCKET=" + filepath.Join(x.home, "notify"), "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// run runs a command to its end, and returns both outputs.
func (x terminal) run(args ...string) (string, error) {
	x.t.Helper()
	out, err := x.command(args...).CombinedOutput()
	return string(out), err
}

// running is a command that was started. Its lines are read as they come.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.Writer
	lines chan string
	done  chan error
}

func (x terminal) start(args ...string) *running {
	x.t.Helper()
	return startCommand(x.t, x.command(args...))
}

// startCommand starts a command whose lines are read as they come.
func startCommand(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &running{t, cmd, in, make(chan string, 1000), make(chan error, 1)}
	go func() {
		p.done <- cmd.Wait()
		w.Close()
	}()
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			p.lines <- s.Text()
		}
		close(p.lines)
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return p
}

// until reads lines until one has a text, and returns it.
func (p *running) until(text string) string {
	p.t.Helper()
	var seen []string
	for end := time.After(30 * time.Second); ; {
		select {
		case line, more := <-p.lines:
			if strings.Contains(line, text) {
				return line
			}
			if seen = append(seen, line); !more {
				p.t.Fatalf("%v ended without %q:\n%s", p.cmd.Args, text, strings.Join(seen, "\n"))
			}
		case <-end:
			p.t.Fatalf("%v: no %q in\n%s", p.cmd.Args, text, strings.Join(seen, "\n"))
		}
	}
}

func (p *running) answer(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *running) wait() error {
	p.t.Helper()
	select {
	case err := <-p.done:
		return err
	case <-time.After(30 * time.Second):
		p.t.Fatalf("%v does not end", p.cmd.Args)
		return nil
	}
}

func (p *running) stop() error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	return p.wait()
}

// freeAddress returns one of this machine that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serveHub starts a hub and waits until it serves.
func serveHub(t *testing.T, hub terminal, args ...string) *running {
	t.Helper()
	p := hub.start(append([]string{"stackfleet", "serve"}, args...)...)
	p.until("enroll a host in another terminal")
	return p
}
