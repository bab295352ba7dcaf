package fleet

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func newKey(t testing.TB) Key {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var web = Source{"home", "web.example.org", "alice"}

func envelope(seq uint64, prev Digest) Envelope {
	return Envelope{
		Source: web, Seq: seq, Prev: prev, At: noon.Add(time.Duration(seq) * time.Minute), Boot: "b", Program: "1",
		Evidence: json.RawMessage(`{"exit_code":0}`),
	}
}

func seal(t testing.TB, k Key, e Envelope) (subject string, sealed []byte) {
	t.Helper()
	subject, err1 := e.Subject()
	sealed, err2 := k.Seal(e)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return subject, sealed
}

// What a source sealed is read as it was, and nothing else is: no byte may be another one.
func TestSeal(t *testing.T) {
	k := newKey(t)
	want := envelope(1, Digest{})
	subject, sealed := seal(t, k, want)
	got, err := Open(subject, sealed, k.Public())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for i := range sealed {
		other := bytes.Clone(sealed)
		other[i] ^= 1 << (i % 8)
		if _, err := Open(subject, other, k.Public()); err == nil {
			t.Fatalf("byte %d may be another one", i)
		}
		if _, err := Open(subject, sealed[:i], k.Public()); err == nil {
			t.Fatalf("%d bytes are enough", i)
		}
	}
	foreign, err := Source{"home", "web.example.org", "bob"}.Subject()
	if err != nil {
		t.Fatal(err)
	}
	for what, open := range map[string]func() (Envelope, error){
		"one byte more": func() (Envelope, error) { return Open(subject, append(bytes.Clone(sealed), 0), k.Public()) },
		"foreign":       func() (Envelope, error) { return Open(foreign, sealed, k.Public()) },
		"another key":   func() (Envelope, error) { return Open(subject, sealed, newKey(t).Public()) },
		"no key":        func() (Envelope, error) { return Open(subject, sealed, nil) },
		"no subject":    func() (Envelope, error) { return Open("evidence.*", sealed, k.Public()) },
		"about a stranger": func() (Envelope, error) {
			return Open(subject, resealed(t, k, subject, func(e *Envelope) { e.User = "bob" }), k.Public())
		},
		"no place": func() (Envelope, error) {
			return Open(subject, resealed(t, k, subject, func(e *Envelope) { e.Seq = 2 }), k.Public())
		},
		"number 0": func() (Envelope, error) {
			return Open(subject, resealed(t, k, subject, func(e *Envelope) { e.Seq = 0 }), k.Public())
		},
	} {
		if e, err := open(); err == nil || e.Evidence != nil {
			t.Errorf("%s: %+v, %v", what, e, err)
		}
	}
}

// resealed is an envelope that the owner of a key made with a program of their own.
func resealed(t testing.TB, k Key, subject string, change func(*Envelope)) []byte {
	t.Helper()
	e := envelope(1, Digest{})
	change(&e)
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return sealedText(t, k, subject, text)
}

func sealedText(t testing.TB, k Key, subject string, text []byte) []byte {
	t.Helper()
	var body bytes.Buffer
	w, _ := flate.NewWriter(&body, flate.BestCompression)
	_, err1 := w.Write(text)
	err2 := w.Close()
	signature, err3 := k.private.Sign(nil, signed(subject, body.Bytes()), purpose)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return slices.Concat([]byte(mark), signature, body.Bytes())
}

// A hostile host cannot make the hub use more memory than an envelope may have.
func TestSealIsBounded(t *testing.T) {
	k, e := newKey(t), envelope(1, Digest{})
	noise := make([]byte, MaxSealed)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range noise {
		noise[i] = byte('a' + random.IntN(26))
	}
	e.Evidence = json.RawMessage(`"` + string(noise) + string(noise) + `"`)
	if _, err := k.Seal(e); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too much evidence: %v", err)
	}
	subject, _ := web.Subject()
	bomb := sealedText(t, k, subject, append([]byte(`{"evidence":"`), bytes.Repeat([]byte("a"), maxOpened)...))
	if len(bomb) > MaxSealed {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	if _, err := Open(subject, bomb, k.Public()); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a bomb: %v", err)
	}
}

func TestDigestText(t *testing.T) {
	want := DigestOf([]byte("x"))
	text, err := want.MarshalText()
	var got Digest
	if err != nil || got.UnmarshalText(text) != nil || got != want {
		t.Errorf("%s: %v", text, got)
	}
	for _, bad := range []string{"", "ab", string(text) + "00", string(text[:62]) + "xx"} {
		if new(Digest).UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q is a digest", bad)
		}
	}
}
