package fleet

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A statement is read as it was signed, about its source, of its kind, by its key; no byte may be
// another one.
func TestSign(t *testing.T) {
	k, want := newKey(t), Watermark{Source: web, Upto: 3, Digest: Digest{1}, Newest: 9, Missing: []Range{{4, 8}}, At: noon}
	data, err := k.Sign(WatermarkKind, web, want)
	if err != nil {
		t.Fatal(err)
	}
	var got Watermark
	if err := OpenStatement(WatermarkKind, web, data, k.Public(), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	foreign := web
	foreign.User = "bob"
	for name, err := range map[string]error{
		"another kind":   OpenStatement(IdentityKind, web, data, k.Public(), &got),
		"another source": OpenStatement(WatermarkKind, foreign, data, k.Public(), &got),
		"another key":    OpenStatement(WatermarkKind, web, data, newKey(t).Public(), &got),
		"no key":         OpenStatement(WatermarkKind, web, data, nil, &got),
		"nothing":        OpenStatement(WatermarkKind, web, nil, k.Public(), &got),
	} {
		if err == nil {
			t.Errorf("a statement is taken with %s", name)
		}
	}
	for i := range data {
		other := bytes.Clone(data)
		other[i] ^= 1
		if OpenStatement(WatermarkKind, web, other, k.Public(), &got) == nil {
			t.Fatalf("byte %d can be changed", i)
		}
	}
}

// The subject of a statement has one source and one kind.
func TestStatementSubjects(t *testing.T) {
	subject, err := StatementSubject(IdentityKind, web)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := ParseStatementSubject(IdentityKind, subject); err != nil || s != web {
		t.Errorf("%s: %v, %v", subject, s, err)
	}
	for _, bad := range []string{"", "identity", "identity.a.b", "watermark.home.web.alice", "identity.a.b.c.d", "evidence.a.b.c"} {
		if s, err := ParseStatementSubject(IdentityKind, bad); err == nil {
			t.Errorf("%q is about %v", bad, s)
		}
	}
}
