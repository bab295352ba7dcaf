package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/authority"
	"stackpolicy/fleet/broker"
	"stackpolicy/fleet/link"
	"stackpolicy/fleet/registry"
	"stackpolicy/lab/programs"
)

// bench is one run.
type bench struct {
	options
	say  func(format string, words ...any)
	rows []row

	now        time.Time
	data       string // the hub's folder
	stackfleet string // the programs
	policy     string
	serve      *exec.Cmd
	conn       *nats.Conn
	js         jetstream.JetStream
	keys       *authority.Authority
	letters    [][]letter
	perHistory int
	sources    []*source
	ownImpact  float64 // seconds of a document, on one host
}

// end stops the hub.
func (b *bench) end() {
	if b.conn != nil {
		b.conn.Close()
		b.conn = nil
	}
	if b.serve != nil {
		_ = b.serve.Process.Signal(syscall.SIGTERM)
		_ = b.serve.Wait()
		b.serve = nil
	}
}

// start builds the programs and starts the hub.
func (b *bench) start(ctx context.Context) (err error) {
	b.now = time.Now().Truncate(time.Second)
	b.data = filepath.Join(b.folder, "hub")
	if b.stackfleet, err = programs.Build(ctx, b.folder, "stackfleet"); err != nil {
		return err
	}
	if b.policy, err = programs.Build(ctx, b.folder, "stackpolicy"); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := l.Addr().String()
	l.Close()
	b.serve = exec.CommandContext(ctx, b.stackfleet, "serve", "--data", b.data, "--listen", address, "--page", "none")
	b.serve.Cancel = func() error { return b.serve.Process.Signal(syscall.SIGTERM) }
	out, err := b.serve.StderrPipe()
	if err != nil {
		return err
	}
	if err := b.serve.Start(); err != nil {
		return err
	}
	if err := until(out, "enroll a host"); err != nil {
		return err
	}
	return b.connect(ctx, address)
}

// until reads lines until one has a text, and then throws the others away.
func until(r io.Reader, text string) error {
	s := bufio.NewScanner(r)
	for s.Scan() {
		if strings.Contains(s.Text(), text) {
			go func() {
				for s.Scan() {
					fmt.Fprintln(os.Stderr, s.Text())
				}
			}()
			return nil
		}
	}
	return fmt.Errorf("the hub ended without %q", text)
}

func (b *bench) connect(ctx context.Context, address string) (err error) {
	if b.keys, err = authority.Open(b.data); err != nil {
		return err
	}
	certificate, err := broker.OwnCertificate(b.data, b.now)
	if err != nil {
		return err
	}
	o, err := link.FromCreds(authority.CredsPath(b.data))
	if err != nil {
		return err
	}
	o.URLs, o.Pin = []string{"tls://" + address}, pinOf(certificate)
	if b.conn, err = link.Stay(ctx, o); err != nil {
		return err
	}
	b.js, err = jetstream.New(b.conn, jetstream.WithPublishAsyncMaxPending(4000))
	return err
}

// enroll makes the hosts and their identities.
func (b *bench) enroll(ctx context.Context) error {
	r := registry.Registry{JetStream: b.js, Org: "home", Key: b.keys.Registry.Public()}
	for i := range b.hosts {
		key, err := fleet.NewKey()
		if err != nil {
			return err
		}
		s := &source{Source: fleet.Source{Org: "home", Host: fmt.Sprintf("host%04d", i), User: "alice"}, key: key, letters: b.letters[i%len(b.letters)]}
		id := fleet.Identity{Source: s.Source, Key: key.Public(), Connection: "U", Enrolled: b.now.AddDate(0, 0, -b.days)}
		if err := r.Put(ctx, b.keys.Registry, id); err != nil {
			return err
		}
		b.sources = append(b.sources, s)
	}
	b.say("%d hosts are enrolled", len(b.sources))
	return nil
}

// archive opens the archive read-only. The caller closes it.
func (b *bench) archive() *archive.Archive {
	return archive.OpenReadOnly(b.data, b.keys.Registry.Public())
}

// behind returns how many envelopes the archive has, and how many are in the memories.
func (b *bench) behind(ctx context.Context) (kept, applied uint64, err error) {
	a := b.archive()
	defer a.Close()
	all, err := a.Sources(ctx)
	for _, s := range all {
		kept += s.Newest
		applied += s.Applied
		for _, m := range s.Missing {
			kept -= m.To - m.From + 1
		}
	}
	return kept, applied, err
}

// processor returns what the hub has used of the processor (proc(5), stat), in ticks of 10 ms.
func (b *bench) processor() time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.serve.Process.Pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// run runs stackfleet to its end, and returns its output.
func (b *bench) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, b.stackfleet, append([]string{"--data", b.data}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() < 3 {
		err = nil // it says how the fleet is
	}
	return out, err
}

// size returns the bytes of the files below a folder whose names have a suffix.
func size(dir string, has func(path string) bool) (sum int64) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !has(path) {
			return nil
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// decoded decodes JSON.
func decoded[T any](data []byte, err error) (v T, _ error) {
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	return v, err
}
