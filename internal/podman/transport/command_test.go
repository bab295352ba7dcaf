package transport

import (
	"slices"
	"strings"
	"testing"
)

func TestTailKeepsTheLastBytes(t *testing.T) {
	for _, size := range []int{1, 1000, maxComplaint, 3 * maxComplaint} {
		got := tail{limit: maxComplaint}
		all := []byte(strings.Repeat("0123456789", 2*maxComplaint))
		for part := range slices.Chunk(all, size) {
			if n, err := got.Write(part); n != len(part) || err != nil {
				t.Fatalf("write of %d: %d, %v", len(part), n, err)
			}
		}
		if want := string(all[len(all)-maxComplaint:]); string(got.kept) != want || !got.cut {
			t.Errorf("in parts of %d: kept %d bytes, not the last %d", size, len(got.kept), maxComplaint)
		}
	}
}
