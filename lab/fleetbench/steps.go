package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet"
	"stackpolicy/fleet/link"
	"stackpolicy/fleet/streams"
)

// row is a figure with its bound.
type row struct {
	what, got, bound string
	missed           bool
}

func (b *bench) figure(what string, got, bound float64, unit string, isLower bool) {
	r := row{what: what, got: fmt.Sprintf("%.4g %s", got, unit), bound: "-"}
	if bound > 0 {
		sign := "at most"
		if r.missed = got > bound; !isLower {
			sign, r.missed = "at least", got < bound
		}
		r.bound = fmt.Sprintf("%s %g", sign, bound)
	}
	b.rows = append(b.rows, r)
	b.say("%s: %s (%s)", what, r.got, r.bound)
}

func pinOf(c tls.Certificate) string {
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return "?"
	}
	return link.PinOf(leaf)
}

// burst is how many envelopes are sealed before they are sent, so that sealing is not measured.
const burst = 20_000

// ingest sends all envelopes, and measures how fast they are in the archive.
func (b *bench) ingest(ctx context.Context) error {
	total, bytes, first := 0, 0, 0
	var took, sent, spent time.Duration
	for total < b.hosts*b.perHistory {
		messages, err := b.sealed(burst)
		if err != nil {
			return err
		}
		for i, m := range messages {
			if bytes += len(m.Data); total+i < b.hosts {
				first += len(m.Data)
			}
		}
		begin, before := time.Now(), b.processor()
		if err := b.publish(ctx, messages); err != nil {
			return err
		}
		sent += time.Since(begin)
		if err := b.empty(ctx); err != nil {
			return err
		}
		took, spent = took+time.Since(begin), spent+b.processor()-before
		total += len(messages)
		b.say("%d envelopes are in the archive, %.0f a second", total, float64(total)/took.Seconds())
	}
	if kept, _, err := b.behind(ctx); err != nil || kept != uint64(total) {
		return fmt.Errorf("the archive has %d envelopes of %d: %w", kept, total, err)
	}
	b.figure("ingest: envelopes a second in the archive", float64(total)/took.Seconds(), 2000, "", false)
	b.figure("ingest: envelopes a second that the broker took meanwhile", float64(total)/sent.Seconds(), 0, "", false)
	b.figure("ingest: processor of the hub for an envelope", spent.Seconds()*1000/float64(total), 0, "ms", true)
	b.figure("first envelope of a host, with the rules and all facts", float64(first)/float64(b.hosts)/1000, 0, "kB", true)
	b.figure("bytes of a host and day, without that", float64(bytes-first)/float64(b.hosts*b.days)/1000, 80, "kB", true)
	b.figure("bytes of a host and day, of 30 days with it", float64(first)/float64(b.hosts)/30000+float64(bytes-first)/float64(b.hosts*b.days)/1000, 80, "kB", true)
	return nil
}

// publish sends messages until the broker has them on its disk.
func (b *bench) publish(ctx context.Context, messages []*nats.Msg) error {
	acks := make([]jetstream.PubAckFuture, len(messages))
	for i, m := range messages {
		var err error
		if acks[i], err = b.js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	for _, a := range acks {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-a.Err():
			return err
		case <-a.Ok():
		}
	}
	return nil
}

// empty waits until the archive has all from the stream.
func (b *bench) empty(ctx context.Context) error {
	for {
		s, err := b.js.Stream(ctx, streams.Evidence)
		if err != nil || s.CachedInfo().State.Msgs == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// sealed returns the next envelopes of all hosts, each host's in turn.
func (b *bench) sealed(limit int) (messages []*nats.Msg, err error) {
	for len(messages) < limit {
		before := len(messages)
		for _, s := range b.sources {
			if int(s.seq) == len(s.letters) {
				continue
			}
			data, err := s.seal()
			if err != nil {
				return nil, err
			}
			subject, err := s.Subject()
			if err != nil {
				return nil, err
			}
			id, _ := fleet.DigestOf(data).MarshalText()
			messages = append(messages, &nats.Msg{Subject: subject, Data: data, Header: nats.Header{nats.MsgIdHdr: {string(id)}}})
		}
		if len(messages) == before {
			break
		}
	}
	return messages, nil
}

// apply waits until the memories have all.
func (b *bench) apply(ctx context.Context) error {
	begin := time.Now()
	total := uint64(b.hosts * b.perHistory)
	for said := time.Now(); ; {
		_, applied, err := b.behind(ctx)
		if err != nil {
			return err
		}
		if applied >= total {
			break
		}
		if time.Since(said) > 30*time.Second {
			said = time.Now()
			b.say("%d of %d envelopes are in the memories", applied, total)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
	b.figure("until all is in the memories, after the last envelope", time.Since(begin).Seconds(), 0, "s", true)
	return nil
}

// sizes stops the hub, so that all is in the files themselves, and measures them.
func (b *bench) sizes(context.Context) error {
	b.end()
	folder := filepath.Join(b.data, "archive")
	scale := float64(30_000) / float64(b.hosts*b.days) / 1e9
	shards := size(folder, func(path string) bool { return strings.Contains(path, "shard-") })
	memories := size(folder, func(path string) bool { return strings.Contains(path, "/memory/") })
	bound := 3.0
	if b.days < 30 {
		bound = 0 // each day counts as a first one, which has the rules and all facts
	}
	b.figure("archive, for 1,000 hosts and 30 days", float64(shards)*scale, bound, "GB", true)
	b.figure("memories, for 1,000 hosts and 30 days", float64(memories)*scale, 0, "GB", true)
	return nil
}

// look renders the page.
func (b *bench) look(ctx context.Context) error {
	to := filepath.Join(b.folder, "page")
	cmd := exec.CommandContext(ctx, b.stackfleet, "--data", b.data, "status", "-o", "json")
	begin := time.Now()
	_ = cmd.Run() // its status is that of the fleet
	b.figure("status of all hosts, as JSON", time.Since(begin).Seconds(), 1, "s", true)
	for _, what := range []string{"all pages, the first time", "all pages again, as nothing changed"} {
		begin = time.Now()
		if _, err := b.run(ctx, "page", "--to", to); err != nil {
			return err
		}
		b.figure(what, time.Since(begin).Seconds(), 0, "s", true)
	}
	info, err := os.Stat(filepath.Join(to, "index.html"))
	if err == nil {
		b.figure("the page of the fleet", float64(info.Size())/1e6, 0, "MB", true)
	}
	return err
}

// send measures what a host spends on the hub: stackpolicy send-alerts of a member with one new
// audit, without what the same command needs when nothing is due.
func (b *bench) send(ctx context.Context) error {
	home := filepath.Join(b.folder, "member")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	env := []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + home, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"}
	policy := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd, out := exec.CommandContext(ctx, b.policy, args...), new(bytes.Buffer)
		cmd.Env, cmd.Stdout, cmd.Stderr = env, out, out
		return cmd, out
	}
	cmd, key := policy("enroll", "--fingerprint")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, key)
	}
	fields := strings.Fields(key.String())
	if err := b.join(ctx, policy, fields[len(fields)-1]); err != nil {
		return err
	}
	var sum, idle time.Duration
	const rounds = 20
	for range rounds {
		audit, _ := policy("eval", "--queue-alerts")
		_ = audit.Run() // there is no user manager, which is new evidence the first time
		for _, spent := range []*time.Duration{&sum, &idle} {
			cmd, out := policy("send-alerts")
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			*spent += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
		if err := os.RemoveAll(filepath.Join(home, ".local/state/stackpolicy/history.db")); err != nil {
			return err
		}
		for _, suffix := range []string{"-wal", "-shm"} {
			_ = os.Remove(filepath.Join(home, ".local/state/stackpolicy/history.db") + suffix)
		}
	}
	b.figure("processor of a host's send after an audit", (sum-idle).Seconds()*1000/rounds, 50, "ms", true)
	return nil
}

func (b *bench) join(ctx context.Context, policy func(...string) (*exec.Cmd, *bytes.Buffer), fingerprint string) error {
	desk := exec.CommandContext(ctx, b.stackfleet, "--data", b.data, "enroll", "member", "--fingerprint", fingerprint)
	out, err := desk.StdoutPipe()
	if err != nil {
		return err
	}
	desk.Stderr = os.Stderr
	if err := desk.Start(); err != nil {
		return err
	}
	token := ""
	for text := make([]byte, 4096); token == ""; {
		n, err := out.Read(text)
		if _, rest, has := strings.Cut(string(text[:n]), "stackpolicy enroll "); has {
			token = strings.Fields(rest)[0]
		}
		if err != nil {
			return fmt.Errorf("no token: %w", err)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	cmd, said := policy("enroll", token)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return desk.Wait()
}

// table prints the figures.
func (b *bench) table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%d hosts with %d histories, %d days, %d units\tMEASURED\tBOUND\n", b.hosts, b.options.histories, b.days, b.units)
	missed := 0
	for _, r := range b.rows {
		mark := ""
		if r.missed {
			mark = "  MISSED"
			missed++
		}
		fmt.Fprintf(w, "%s\t%s\t%s%s\n", r.what, r.got, r.bound, mark)
	}
	if err := w.Flush(); err != nil || missed == 0 {
		return err
	}
	return fmt.Errorf("%d bounds are missed", missed)
}
