package fleet

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// sealText signs any text as an envelope, as another version of the program may.
func sealText(t *testing.T, k Key, text []byte) (subject string, sealed []byte) {
	t.Helper()
	subject, err := web.Subject()
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	w, _ := flate.NewWriter(&body, flate.BestSpeed)
	_, _ = w.Write(text)
	_ = w.Close()
	signature, err := k.private.Sign(nil, signed(subject, body.Bytes()), purpose)
	if err != nil {
		t.Fatal(err)
	}
	return subject, slices.Concat([]byte(mark), signature, body.Bytes())
}

// Hub and hosts may be upgraded in either order: what a newer host adds is passed over, and what an
// older one does not say is not known.
func TestVersions(t *testing.T) {
	k := newKey(t)
	text, err := json.Marshal(envelope(1, Digest{}))
	if err != nil {
		t.Fatal(err)
	}
	var now map[string]any
	if err := json.Unmarshal(text, &now); err != nil {
		t.Fatal(err)
	}
	newer, older := maps.Clone(now), maps.Clone(now)
	newer["something"] = map[string]any{"new": []int{1}}
	newer["beat"] = map[string]any{"exit_code": 2, "new": "x", "open": map[string]any{"page": 1, "other": 3}}
	delete(older, "beat")
	delete(older, "boot")
	for name, c := range map[string]struct {
		fields map[string]any
		exit   int
	}{"newer": {newer, 2}, "older": {older, 0}} {
		text, err := json.Marshal(c.fields)
		if err != nil {
			t.Fatal(err)
		}
		subject, sealed := sealText(t, k, text)
		e, err := Open(subject, sealed, k.Public())
		if err != nil || e.Seq != 1 || e.Beat.ExitCode != c.exit || len(e.Evidence) == 0 {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	var w Watermark
	signed, err := k.Sign(WatermarkKind, web, map[string]any{"org": "home", "upto": 3, "newest": 3, "another": true})
	if err == nil {
		err = OpenStatement(WatermarkKind, web, signed, k.Public(), &w)
	}
	if err != nil || w.Upto != 3 {
		t.Errorf("a watermark of a newer hub: %+v, %v", w, err)
	}
}
