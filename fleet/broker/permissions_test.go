package broker_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"stackpolicy/fleet"
	"stackpolicy/fleet/authority"
	"stackpolicy/fleet/link"
)

const directGet = "$JS.API.DIRECT.GET.FLEET."

// A host may send its own evidence, and read its own watermark and the releases.
func TestAHostMay(t *testing.T) {
	h := newHub(t)
	c, refused := h.connect(h.host("web"))
	answer, err := request(t, c, &nats.Msg{Subject: "evidence.home.web.alice", Data: []byte("sealed"), Header: nats.Header{nats.MsgIdHdr: {"one"}}})
	if err != nil || !strings.Contains(string(answer.Data), `"stream":"EVIDENCE"`) {
		t.Fatalf("its own evidence: %v, %v", answer, err)
	}
	if n := h.count("EVIDENCE", "evidence.home.web.alice"); n != 1 {
		t.Errorf("the stream has %d envelopes", n)
	}
	for subject, text := range map[string]string{"watermark.home.web.alice": "to here", "release.home.stable%2Ejson": "rules"} {
		if _, err := h.js.Publish(t.Context(), subject, []byte(text)); err != nil {
			t.Fatal(err)
		}
		answer, err := request(t, c, &nats.Msg{Subject: directGet + subject})
		if err != nil || string(answer.Data) != text {
			t.Errorf("%s: %v, %v", subject, answer, err)
		}
	}
	select {
	case err := <-refused:
		t.Error(err)
	default:
	}
}

// Whatever else a host publishes or subscribes to is refused by the broker.
func TestAHostMayNot(t *testing.T) {
	h := newHub(t)
	web, db := h.host("web"), h.host("db")
	c, refused := h.connect(web)
	for _, subject := range []string{
		"evidence.home.db.alice", "evidence.home.web.bob", "evidence.other.web.alice", "evidence.home.web", "evidence.home.web.alice.x",
		"watermark.home.web.alice", "identity.home.web.alice", "release.home.rules", "enroll.x",
		directGet + "watermark.home.db.alice", directGet + "watermark.>", directGet + "identity.home.web.alice", directGet + "release.other.rules",
		"$JS.API.DIRECT.GET.FLEET", "$JS.API.DIRECT.GET.EVIDENCE.evidence.home.web.alice",
		"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.EVIDENCE", "$JS.API.STREAM.DELETE.EVIDENCE", "$JS.API.STREAM.PURGE.EVIDENCE",
		"$JS.API.STREAM.MSG.GET.FLEET", "$JS.API.STREAM.MSG.DELETE.EVIDENCE", "$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.UPDATE.FLEET",
		"$JS.API.CONSUMER.CREATE.EVIDENCE", "$JS.API.CONSUMER.CREATE.EVIDENCE.x.evidence.home.db.alice", "$JS.API.CONSUMER.MSG.NEXT.WORK.workers", "$JS.API.CONSUMER.DELETE.WORK.workers",
		"$JS.ACK.WORK.workers.1.1.1.1.1", "$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.SERVER.PING", "_INBOX." + db.nkey + ".x", "anything",
	} {
		wantRefused(t, c, refused, "publish "+subject, func() error { return c.PublishRequest(subject, "_INBOX."+web.nkey+".x", []byte("x")) })
	}
	for _, subject := range []string{
		">", "evidence.>", "evidence.home.web.alice", "evidence.home.db.alice", "watermark.home.web.alice", "watermark.>", "identity.>", "release.>", "enroll.>",
		"_INBOX.>", "_INBOX." + db.nkey + ".>", "$JS.>", "$JS.API.>", "$SYS.>", "$KV.>", "_R_.>",
	} {
		wantRefused(t, c, refused, "subscribe "+subject, func() error { _, err := c.SubscribeSync(subject); return err })
	}
	for stream, want := range map[string]uint64{"EVIDENCE": 0, "FLEET": 0} {
		if n := h.count(stream, ">"); n != want {
			t.Errorf("%s has %d messages, want %d", stream, n, want)
		}
	}
}

// wantRefused does something, and wants the broker's error for it.
func wantRefused(t *testing.T, c *nats.Conn, refused <-chan error, what string, do func() error) {
	t.Helper()
	if err := do(); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if err := c.Flush(); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	select {
	case err := <-refused:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(5 * time.Second):
		t.Errorf("%s: it is not refused", what)
	}
}

// The broker answers to the subject that a host names, with permissions of its own. Such an
// answer never reaches a subject of the hub, because hosts have an account without streams; in
// the hub's account it would.
func TestARepliesSubjectIsNoWayAround(t *testing.T) {
	for name, isInHubsAccount := range map[string]bool{"a host": false, "a host in the hub's account": true} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t)
			web := h.host("web")
			if isInHubsAccount {
				web = h.inHubsAccount(web)
			}
			c, _ := h.connect(web)
			if got := h.answerTo(c); (got > 0) != isInHubsAccount {
				t.Errorf("%d subjects were written to", got)
			}
		})
	}
}

// inHubsAccount gives a host the same permissions, in the account FLEET.
func (h *hub) inHubsAccount(x host) host {
	h.t.Helper()
	seed, err := os.ReadFile(filepath.Join(authority.Folder(h.data), "account.nk"))
	if err != nil {
		h.t.Fatal(err)
	}
	pair, err := nkeys.ParseDecoratedNKey(seed)
	if err != nil {
		h.t.Fatal(err)
	}
	claims := jwt.NewUserClaims(x.nkey)
	claims.Pub.Allow = []string{"evidence.home.web.alice", directGet + "watermark.home.web.alice", directGet + "release.home.>"}
	claims.Sub.Allow = []string{"_INBOX." + x.nkey + ".>"}
	if x.link.JWT, err = claims.Encode(pair); err != nil {
		h.t.Fatal(err)
	}
	return x
}

// answerTo lets the broker answer to subjects of the hub and of another host, and returns how
// many of these have something else then.
func (h *hub) answerTo(c *nats.Conn) (replaced int) {
	h.t.Helper()
	statements := []string{"watermark.home.db.alice", "identity.home.db.alice", "release.home.rules"}
	for _, subject := range append(statements, "watermark.home.web.alice", "evidence.home.db.alice") {
		if _, err := h.js.Publish(h.t.Context(), subject, []byte("true")); err != nil {
			h.t.Fatal(err)
		}
	}
	for _, reply := range append(statements, "enroll.x", "evidence.home.db.alice",
		"$JS.API.STREAM.PURGE.EVIDENCE", "$JS.API.STREAM.DELETE.EVIDENCE", "$JS.API.CONSUMER.DELETE.WORK.workers", "$JS.ACK.WORK.workers.1.1.1.1.1",
	) {
		for _, m := range []*nats.Msg{
			{Subject: "evidence.home.web.alice", Reply: reply, Data: []byte("x"), Header: nats.Header{nats.MsgIdHdr: {reply}}},
			{Subject: directGet + "watermark.home.web.alice", Reply: reply},
			{Subject: directGet + "release.home.rules", Reply: reply, Header: nats.Header{"Nats-Trace-Dest": {reply}}},
		} {
			if err := c.PublishMsg(m); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	// Its own evidence is acknowledged after all of these.
	if _, err := request(h.t, c, &nats.Msg{Subject: "evidence.home.web.alice", Data: []byte("last")}); err != nil {
		h.t.Fatal(err)
	}
	s, err := h.js.Stream(h.t.Context(), "FLEET")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, subject := range statements {
		if m, err := s.GetLastMsgForSubject(h.t.Context(), subject); err != nil || string(m.Data) != "true" {
			replaced++
		}
	}
	if h.count("EVIDENCE", "evidence.home.db.alice") != 1 {
		replaced++
	}
	// Of web one for each reply that the server does not reserve, and the last.
	if n := h.count("EVIDENCE", "evidence.home.web.alice"); n != uint64(len(statements)+2+1) {
		h.t.Errorf("EVIDENCE has %d messages of web", n)
	}
	if _, err := h.js.Consumer(h.t.Context(), "WORK", "workers"); err != nil {
		h.t.Error(err)
	}
	return replaced
}

// A host that is revoked is disconnected, and refused when it connects again; others are not, and
// the same host with a new key is not.
func TestARevokedHost(t *testing.T) {
	h := newHub(t)
	web, db := h.host("web"), h.host("db")
	of, _ := h.connect(web)
	other, _ := h.connect(db)
	closed := make(chan error, 1)
	of.SetClosedHandler(func(c *nats.Conn) { closed <- c.LastError() })
	h.revoke(web)
	select {
	case err := <-closed:
		t.Log("disconnected:", err)
	case <-time.After(5 * time.Second):
		t.Error("the host is still connected")
	}
	if _, err := link.Connect(t.Context(), web.link); !errors.Is(err, link.ErrRefused) {
		t.Errorf("it connects again: %v", err)
	}
	if err := other.Flush(); err != nil {
		t.Errorf("another host: %v", err)
	}
	again, _ := h.connect(h.host("web"))
	if _, err := request(t, again, &nats.Msg{Subject: "evidence.home.web.alice", Data: []byte("x")}); err != nil {
		t.Errorf("enrolled again: %v", err)
	}

	h.own.Close()
	h.broker.Stop()
	h.start()
	web.link.URLs = []string{h.url}
	if _, err := link.Connect(t.Context(), web.link); !errors.Is(err, link.ErrRefused) {
		t.Errorf("after a start of the broker: %v", err)
	}
}

// revoke does so in the broker that runs.
func (h *hub) revoke(x host) {
	h.t.Helper()
	account, err := h.keys.Revoke("", x.nkey, time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	jwt, seed, err := h.keys.SystemUser(time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	if err := link.UpdateAccount(h.t.Context(), link.Options{URLs: []string{h.url}, Pin: h.pin, JWT: jwt, Seed: seed}, account.JWT); err != nil {
		h.t.Fatal(err)
	}
}

// Whoever has no right to connect does not, and is told why.
func TestWhoIsRefused(t *testing.T) {
	h := newHub(t)
	web := h.host("web")
	foreign := newHub(t).host("web")
	foreign.link.URLs, foreign.link.Pin = []string{h.url}, h.pin
	mixed := web.link
	mixed.Seed = h.host("db").link.Seed
	none := web.link
	none.JWT = ""
	nkey, seed := web.nkey, web.link.Seed
	expired, err := h.keys.Enrollee("x", nkey, time.Now().Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	wrong := web.link
	wrong.Pin = strings.Repeat("0", 64)
	system := web.link
	system.Pin = ""
	for name, c := range map[string]struct {
		options link.Options
		want    error
	}{
		"a host of another hub":                {foreign.link, link.ErrRefused},
		"the key of another host":              {mixed, link.ErrRefused},
		"no JWT":                               {none, link.ErrRefused},
		"a token that expired":                 {link.Options{URLs: web.link.URLs, Pin: h.pin, JWT: expired, Seed: seed}, link.ErrRefused},
		"another pin":                          {wrong, link.ErrPin},
		"a certificate that the system trusts": {system, nil},
		"nobody listens":                       {link.Options{URLs: []string{"tls://127.0.0.1:1"}, Pin: h.pin, JWT: web.link.JWT, Seed: seed}, nil},
	} {
		_, err := link.Connect(t.Context(), c.options)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
	if _, err := h.keys.Host(fleet.Source{Org: "other", Host: "web", User: "alice"}, nkey); err == nil {
		t.Error("a host of another organisation gets a JWT")
	}
}
