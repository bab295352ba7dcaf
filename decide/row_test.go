package decide

import (
	"fmt"
	"testing"

	"stackpolicy/finding"
)

// TestRow: a row has what was added to it in any order, and another one that was read from the
// same text does not.
func TestRow(t *testing.T) {
	tag := func(i int) string { return fmt.Sprintf("%016d", i) }
	written := row{key: "unit"}
	for i := range 3 {
		written.add(tag(i), []remembered{{Finding: finding.Finding{Invariant: fmt.Sprint(i)}}})
	}
	text, x := written.write(), &part{}
	one, other := x.row("unit", text), x.row("unit", text)
	one.add(tag(3), []remembered{{}})
	for _, i := range []int{2, 0, 3, 1, 1} {
		if !one.has(tag(i)) || other.has(tag(i)) != (i < 3) {
			t.Errorf("tag %d: %t, %t", i, one.has(tag(i)), other.has(tag(i)))
		}
	}
	if one.has(tag(4)) || len(one.found) != 4 || len(other.found) != 3 {
		t.Errorf("%v\n%v", one.found, other.found)
	}
	damaged := append([]byte{}, text...)
	damaged[len(damaged)-2]++
	for what, r := range map[string]row{"damaged": x.row("unit", damaged), "of another unit": x.row("other", text), "forgotten": x.row("unit", nil)} {
		if r.has(tag(0)) || len(r.found) > 0 {
			t.Errorf("%s: %+v", what, r)
		}
	}
}
