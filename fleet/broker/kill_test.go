package broker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/fleet/authority"
	"stackpolicy/fleet/broker"
)

// brokerVariable makes the test's program a broker, with the data and the address that it names.
const brokerVariable = "STACKPOLICY_TEST_BROKER"

func TestMain(m *testing.M) {
	if at := os.Getenv(brokerVariable); at != "" {
		data, listen, _ := strings.Cut(at, " ")
		err := beBroker(data, listen)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func beBroker(data, listen string) error {
	keys, err := authority.Open(data)
	if err != nil {
		return err
	}
	certificate, err := broker.OwnCertificate(data, time.Now())
	if err != nil {
		return err
	}
	b, err := broker.Start(context.Background(), broker.Options{Data: data, Listen: listen, Operator: keys.Operator, Accounts: keys.Accounts(), Certificate: certificate})
	if err != nil {
		return err
	}
	return <-b.Ended()
}

// process starts a broker as a process of its own, and waits until it listens.
func (h *hub) process(listen string) *exec.Cmd {
	h.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), brokerVariable+"="+h.data+" "+listen)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", listen); err == nil {
			c.Close()
			return cmd
		}
	}
	h.t.Fatal("the broker does not listen")
	return nil
}

// What was acknowledged is kept when the broker is killed at any instant.
func TestKilled(t *testing.T) {
	h := newHub(t)
	h.own.Close()
	h.broker.Stop()
	listen, web := freeAddress(t), h.host("web")
	h.url = "tls://" + listen
	web.link.URLs = []string{h.url}
	var acknowledged, sent uint64
	for range 5 {
		p := h.process(listen)
		a, s := h.sendUntilKilled(web, p)
		acknowledged, sent = acknowledged+a, sent+s
	}
	h.options.Listen = listen
	h.start()
	if n := h.count("EVIDENCE", ">"); n < acknowledged || n > sent {
		t.Errorf("%d envelopes are kept, %d were acknowledged, %d sent", n, acknowledged, sent)
	} else {
		t.Logf("%d envelopes are kept, %d were acknowledged, %d sent", n, acknowledged, sent)
	}
}

// sendUntilKilled sends as fast as a host can, and kills the broker meanwhile.
func (h *hub) sendUntilKilled(x host, p *exec.Cmd) (acknowledged, sent uint64) {
	h.t.Helper()
	c, _ := h.connect(x)
	defer c.Close()
	js, err := jetstream.New(c, jetstream.WithPublishAsyncMaxPending(128), jetstream.WithPublishAsyncTimeout(300*time.Millisecond))
	if err != nil {
		h.t.Fatal(err)
	}
	var futures []jetstream.PubAckFuture
	kill := time.AfterFunc(time.Duration(50+rand.IntN(200))*time.Millisecond, func() { _ = p.Process.Kill() })
	defer kill.Stop()
	for {
		f, err := js.PublishAsync("evidence.home.web.alice", make([]byte, 400), jetstream.WithStallWait(100*time.Millisecond))
		if err != nil {
			if !errors.Is(err, nats.ErrConnectionClosed) && !c.IsClosed() {
				h.t.Log(err)
			}
			break
		}
		futures = append(futures, f)
	}
	_ = p.Wait()
	for _, f := range futures {
		sent++
		select {
		case <-f.Ok():
			acknowledged++
		case <-f.Err():
		case <-time.After(3 * time.Second):
		}
	}
	return acknowledged, sent
}
