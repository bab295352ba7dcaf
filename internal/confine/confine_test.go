package confine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if Wanted(os.Args) {
		serve()
		return
	}
	os.Exit(m.Run())
}

// serve is the child of the tests: it does what a frame says.
func serve() {
	c, err := Child()
	for err == nil {
		what, argument, _ := strings.Cut(string(c.Receive()), " ")
		switch what {
		case "echo":
			err = c.Send([]byte(argument))
		case "allocate":
			n, _ := strconv.Atoi(argument)
			memory := bytes.Repeat([]byte{1}, n)
			err = c.Send([]byte(strconv.Itoa(len(memory))))
		case "reserve": // as Go's heap does, before it makes it writable
			n, _ := strconv.Atoi(argument)
			_, refused := unix.Mmap(-1, 0, n, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
			err = c.Send([]byte(fmt.Sprint(refused)))
		case "allow":
			extra, _ := strconv.ParseUint(argument, 10, 64)
			err = errors.Join(c.Allow(extra), c.Send(nil))
		case "recurse":
			err = c.Send([]byte{byte(recurse(1 << 40))})
		case "open":
			_, failed := os.Open(argument)
			err = c.Send([]byte(failed.Error()))
		case "zone":
			err = c.Send([]byte(time.Unix(0, 0).Format("15:04 MST")))
		case "spin":
			for {
			}
		case "flood":
			for err == nil {
				err = c.Send(make([]byte, 1<<20))
			}
		case "lie":
			_, err = os.Stdout.Write(binary.BigEndian.AppendUint32(nil, 1<<32-1))
		case "panic":
			panic(argument)
		case "exit":
			os.Exit(7)
		}
	}
	os.Exit(1)
}

func recurse(n int) int {
	if n == 0 {
		return 0
	}
	return 1 + recurse(n-1)
}

const testMemory = 400 << 20

func child(t *testing.T) *Process {
	t.Helper()
	p, err := Start(t.Context(), testMemory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func ask(p *Process, ctx context.Context, text string, limit time.Duration) (string, error) {
	if err := p.Send(ctx, []byte(text), limit); err != nil {
		return "", err
	}
	answer, err := p.Receive(ctx, limit)
	return string(answer), err
}

func TestAnswers(t *testing.T) {
	p := child(t)
	long := strings.Repeat("x", 5<<20)
	for text, want := range map[string]string{
		"echo hello":           "hello",
		"echo ":                "",
		"echo " + long:         long,
		"open /etc/passwd":     "open /etc/passwd: too many open files",
		"zone":                 "00:00 UTC",
		"allocate 100000000":   "100000000",
		"allow 1000000000":     "",
		"echo after all these": "after all these",
	} {
		if got, err := ask(p, t.Context(), text, time.Minute); got != want || err != nil {
			t.Errorf("%.40s: got %.40q, %v; want %.40q", text, got, err, want)
		}
	}
}

func TestLimits(t *testing.T) {
	cases := map[string]struct {
		text string
		want error
	}{
		"a child that spins":            {"spin", ErrTime},
		"more memory than it may":       {"allocate 500000000", ErrMemory},
		"a stack without an end":        {"recurse", ErrMemory},
		"a child that ends":             {"exit", ErrEnded},
		"a child that panics":           {"panic at once", ErrEnded},
		"a frame that is not to be had": {"lie", errTooLarge},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			limit := time.Minute
			if c.want == ErrTime {
				limit = time.Second
			}
			if _, err := ask(child(t), t.Context(), c.text, limit); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestReserved: address space counts as well, as Linux does not check RLIMIT_DATA for
// what is mapped over space that was reserved before.
func TestReserved(t *testing.T) {
	p := child(t)
	for _, c := range []struct{ text, want string }{
		{"reserve 100000000", "<nil>"}, {"reserve 500000000", unix.ENOMEM.Error()},
		{"allow 800000000", ""}, {"reserve 500000000", "<nil>"},
	} {
		if got, err := ask(p, t.Context(), c.text, time.Minute); got != c.want || err != nil {
			t.Errorf("%s: got %q, %v; want %q", c.text, got, err, c.want)
		}
	}
}

// TestAllowRaisesTheLimit: a large document needs more than a small one.
func TestAllowRaisesTheLimit(t *testing.T) {
	p := child(t)
	if _, err := ask(p, t.Context(), "allow 800000000", time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, err := ask(p, t.Context(), "allocate 500000000", time.Minute); got != "500000000" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestFullPipe: what a child sends without being asked fills the pipe, and what
// it does not read fills the other one. Neither holds the parent up.
func TestFullPipe(t *testing.T) {
	p := child(t)
	if err := p.Send(t.Context(), []byte("flood"), time.Second); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 100 {
		if err = p.Send(t.Context(), make([]byte, 1<<20), 500*time.Millisecond); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrTime) {
		t.Errorf("got %v", err)
	}
}

func TestContextEndsTheChild(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := Start(ctx, testMemory)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := ask(p, ctx, "spin", time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		t.Error("the child is still there")
	}
}

// TestParentEndsTheChild: when the parent is killed, its pipe ends, also for a
// child that is busy.
func TestParentEndsTheChild(t *testing.T) {
	p := child(t)
	if err := p.Send(t.Context(), []byte("spin"), time.Second); err != nil {
		t.Fatal(err)
	}
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		t.Error("the child is still there")
	}
}

// TestSignalsAreForTheParent: Ctrl-C reaches both, and only the parent knows what
// to do.
func TestSignalsAreForTheParent(t *testing.T) {
	p := child(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := p.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := ask(p, t.Context(), "echo still here", time.Minute); got != "still here" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestNoChildOfAChild(t *testing.T) {
	t.Setenv(memoryVariable, "1")
	if _, err := Start(t.Context(), testMemory); err == nil || !strings.Contains(err.Error(), "this is one already") {
		t.Errorf("got %v", err)
	}
}

func TestReadFrame(t *testing.T) {
	cases := map[string]struct {
		bytes []byte
		want  string
		fails bool
	}{
		"empty":               {[]byte{0, 0, 0, 0}, "", false},
		"whole":               {[]byte{0, 0, 0, 2, 'o', 'k', '!'}, "ok", false},
		"nothing":             {nil, "", true},
		"half a length":       {[]byte{0, 0}, "", true},
		"half a frame":        {[]byte{0, 0, 0, 9, 'o'}, "o", true},
		"larger than allowed": {[]byte{255, 255, 255, 255, 'o'}, "", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := readFrame(bytes.NewReader(c.bytes))
			if string(got) != c.want || (err != nil) != c.fails {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		p, err := Start(b.Context(), testMemory)
		if err != nil {
			b.Fatal(err)
		}
		p.Stop()
	}
}
