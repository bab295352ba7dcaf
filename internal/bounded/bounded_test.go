package bounded

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestTailKeepsTheLastBytes(t *testing.T) {
	const limit = 4096
	for _, size := range []int{1, 1000, limit, 3 * limit} {
		got := Tail{Limit: limit}
		all := []byte(strings.Repeat("0123456789", 2*limit))
		for part := range slices.Chunk(all, size) {
			if n, err := got.Write(part); n != len(part) || err != nil {
				t.Fatalf("write of %d: %d, %v", len(part), n, err)
			}
		}
		if want := string(all[len(all)-limit:]); string(got.Kept) != want || !got.IsCut {
			t.Errorf("in parts of %d: kept %d bytes, not the last %d", size, len(got.Kept), limit)
		}
	}
	short := Tail{Limit: limit}
	if _, err := short.Write([]byte("ab")); err != nil || string(short.Kept) != "ab" || short.IsCut {
		t.Errorf("of what fits: %q, cut %v, %v", short.Kept, short.IsCut, err)
	}
}

func TestBufferRefusesWhatGoesBeyond(t *testing.T) {
	var refused error
	b := Buffer{Limit: 4, Full: func(err error) { refused = err }}
	if _, err := io.Copy(&b, bytes.NewReader([]byte("abcd"))); err != nil || b.IsFull || refused != nil || b.String() != "abcd" {
		t.Fatalf("what fits: %q, full %v, %v, %v", b.String(), b.IsFull, err, refused)
	}
	n, err := b.Write([]byte("e"))
	if n != 0 || err == nil || err != refused || !b.IsFull || string(b.Bytes()) != "abcd" {
		t.Errorf("what does not: %d bytes, %v, %v, full %v, %q", n, err, refused, b.IsFull, b.Bytes())
	}
}
