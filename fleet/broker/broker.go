// Package broker is the nats-server inside of `stackfleet serve`, for a fleet without a cluster
// of its own. No other package imports the server.
package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"stackpolicy/internal/lock"
)

// Options are what a broker is started with.
type Options struct {
	Data        string            // the hub's folder; the broker's data are below it
	Listen      string            // HOST:PORT; port 0 is any that is free
	Operator    string            // JWT
	Accounts    map[string]string // JWT of each account, by its public key
	Certificate tls.Certificate
	Renewed     func() (tls.Certificate, error) // asked for the certificate of each connection instead; nil: it stays the same
	Log         func(line string)               // what goes wrong; nil is nobody
}

// Limits of starting and stopping.
const (
	readyTime  = 20 * time.Second
	maxPayload = 1 << 20
	pingEvery  = 30 * time.Second
	// maxAccounts is only what the folder of accounts may have; there are three.
	maxAccounts = 16
)

// Broker is a server that runs.
type Broker struct {
	server  *server.Server
	release func() // of the lock
	ended   chan error
}

// Start starts a broker. What it acknowledged is on the disk (fsync(2)). The caller stops it.
func Start(ctx context.Context, o Options) (*Broker, error) {
	release, err := lock.Take(filepath.Join(o.Data, "lock"), time.Now())
	if held := (*lock.HeldError)(nil); errors.As(err, &held) {
		return nil, fmt.Errorf("the data in %s are used by another hub (%s): stop it, or name another folder with --data", o.Data, held.Holder)
	}
	if err != nil {
		return nil, err
	}
	b := &Broker{release: release, ended: make(chan error, 2)}
	if err := b.start(ctx, o); err != nil {
		b.Stop()
		return nil, fmt.Errorf("start the broker: %w", err)
	}
	return b, nil
}

func (b *Broker) start(ctx context.Context, o Options) error {
	if err := free(ctx, o.Listen); err != nil {
		return err
	}
	options, err := options(o)
	if err != nil {
		return err
	}
	if b.server, err = server.NewServer(options); err != nil {
		return err
	}
	log := &logger{to: o.Log, broken: func(err error) { b.end(err) }}
	b.server.SetLoggerV2(log, false, false, false)
	b.server.Start()
	for end := time.Now().Add(readyTime); !b.server.ReadyForConnections(100 * time.Millisecond); {
		if !b.server.Running() || time.Now().After(end) || ctx.Err() != nil {
			return errors.Join(errors.New("it does not run"), log.fatal(), ctx.Err())
		}
	}
	if !b.server.JetStreamEnabled() {
		return errors.Join(errors.New("JetStream does not run"), log.fatal())
	}
	go func() {
		b.server.WaitForShutdown()
		b.end(errEnded)
	}()
	return nil
}

// free says it if the address is taken: the server would only write it to its log.
func free(ctx context.Context, address string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is taken by another program (ss -ltnp shows it): stop that, or choose another port with --listen", address)
	}
	if err != nil {
		return fmt.Errorf("listen at %s: %w", address, err)
	}
	return l.Close()
}

func options(o Options) (*server.Options, error) {
	host, text, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen %q: want HOST:PORT: %w", o.Listen, err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("--listen %q: want HOST:PORT", o.Listen)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	operator, err := jwt.DecodeOperatorClaims(o.Operator)
	if err != nil {
		return nil, fmt.Errorf("read the operator's JWT: %w", err)
	}
	resolver, err := accounts(o)
	if err != nil {
		return nil, err
	}
	return &server.Options{
		ServerName: "stackfleet", Host: host, Port: port, NoSigs: true, DisableJetStreamBanner: true,
		JetStream: true, StoreDir: o.Data, SyncAlways: true,
		TLS: true, TLSConfig: o.tls(), TLSTimeout: 5,
		TrustedOperators: []*jwt.OperatorClaims{operator}, SystemAccount: operator.SystemAccount, AccountResolver: resolver,
		MaxPayload: maxPayload, PingInterval: pingEvery, AuthTimeout: 5, NoFastProducerStall: true,
	}, nil
}

// tls returns how the broker shows itself.
func (o Options) tls() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	if o.Renewed == nil {
		c.Certificates = []tls.Certificate{o.Certificate}
		return c
	}
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		certificate, err := o.Renewed()
		return &certificate, err
	}
	return c
}

// accounts are kept on the disk, where revocations are added while the broker runs. Of an
// account and its copy there, the newer counts.
func accounts(o Options) (server.AccountResolver, error) {
	dir := filepath.Join(o.Data, "accounts")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of accounts: %w", err)
	}
	r, err := server.NewDirAccResolver(dir, maxAccounts, 0, server.NoDelete)
	if err != nil {
		return nil, fmt.Errorf("open the folder of accounts: %w", err)
	}
	for id, text := range o.Accounts {
		if err := r.Store(id, text); err != nil {
			return nil, fmt.Errorf("keep the account %s: %w", id, err)
		}
	}
	return r, nil
}

// Ended returns why it does not take messages any more, when that is so: then it has to be
// stopped and started again. A stream that once could not write to the disk never does.
func (b *Broker) Ended() <-chan error { return b.ended }

// end says why it ended; only the first reasons count.
func (b *Broker) end(why error) {
	select {
	case b.ended <- why:
	default:
	}
}

var errEnded = errors.New("the broker ended")

// Address returns HOST:PORT at which it listens.
func (b *Broker) Address() string { return b.server.Addr().String() }

// Stop stops it and waits until its files are written.
func (b *Broker) Stop() {
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
	b.release()
}
