package wire

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

// named is the machine's byte order as the other implementation wants it.
var named = map[byte]binary.ByteOrder{'l': binary.LittleEndian, 'B': binary.BigEndian}[mark]

func bodyOf(signature, data []byte) Body { return Body{cursor{data: data}, signature} }

// marshal has another implementation write a body.
func marshal(t testing.TB, values ...any) *Body {
	t.Helper()
	m := &dbus.Message{Type: dbus.TypeMethodReply, Body: values, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(uint32(1)),
		dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(values...)),
	}}
	var out bytes.Buffer
	if err := m.EncodeTo(&out, named); err != nil {
		t.Fatal(err)
	}
	c := connOf(out.Bytes())
	got, err := c.read()
	if err != nil {
		t.Fatal(err)
	}
	return &got.body
}

type exec struct {
	Path          string
	Argv          []string
	IgnoreFailure bool
	A, B, C, D    uint64
	PID           uint32
	Code, Status  int32
}

func TestVariant(t *testing.T) {
	for name, tc := range map[string]struct{ sent, want any }{
		"string":        {"web.service", "web.service"},
		"empty string":  {"", ""},
		"true":          {true, true},
		"false":         {false, false},
		"byte":          {byte(7), byte(7)},
		"int16":         {int16(-2), int16(-2)},
		"uint16":        {uint16(math.MaxUint16), uint16(math.MaxUint16)},
		"int32":         {int32(math.MinInt32), int32(math.MinInt32)},
		"uint32":        {uint32(math.MaxUint32), uint32(math.MaxUint32)},
		"int64":         {int64(math.MinInt64), int64(math.MinInt64)},
		"uint64":        {uint64(math.MaxUint64), uint64(math.MaxUint64)},
		"strings":       {[]string{"a", "", "ccc"}, []string{"a", "", "ccc"}},
		"no strings":    {[]string{}, []string{}},
		"no structures": {[]exec{}, [][]any{}},
		"structures": {[]exec{{"/a", []string{"a", "b"}, true, 1, 2, 3, 4, 5, -6, 7}, {}}, [][]any{
			{"/a", []string{"a", "b"}, true, uint64(1), uint64(2), uint64(3), uint64(4), uint32(5), int32(-6), int32(7)},
			{"", []string{}, false, uint64(0), uint64(0), uint64(0), uint64(0), uint32(0), int32(0), int32(0)},
		}},
		"path":                {dbus.ObjectPath("/a"), nil},
		"signature":           {dbus.SignatureOf("a", 1), nil},
		"float64":             {1.5, nil},
		"structure":           {exec{Path: "/a"}, nil},
		"dictionary":          {map[string]uint64{"a": 1, "b": 2}, nil},
		"variant":             {dbus.MakeVariant("a"), nil},
		"numbers":             {[]uint64{1, 2}, nil},
		"bytes":               {[]byte("abc"), nil},
		"lists":               {[][]string{{"a"}, {}}, nil},
		"structure, variants": {struct{ A, B dbus.Variant }{dbus.MakeVariant([]uint64{1}), dbus.MakeVariant(byte(1))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := marshal(t, dbus.MakeVariant(tc.sent)).Variant()
			if d := cmp.Diff(tc.want, got); d != "" || err != nil {
				t.Errorf("%v, -want +got\n%s", err, d)
			}
		})
	}
}

func TestProperties(t *testing.T) {
	b := marshal(t, map[string]dbus.Variant{
		"Id": dbus.MakeVariant("web.service"), "Names": dbus.MakeVariant([]string{"web.service"}),
		"Other": dbus.MakeVariant("x"), "Odd": dbus.MakeVariant(byte(1)), "Job": dbus.MakeVariant(struct {
			ID   uint32
			Path dbus.ObjectPath
		}{1, "/job/1"}),
		"Started": dbus.MakeVariant(uint64(1)), "Nested": dbus.MakeVariant(dbus.MakeVariant(dbus.MakeVariant(int16(1)))),
		"Conditions": dbus.MakeVariant([]exec{{}}), "None": dbus.MakeVariant(map[string]dbus.Variant{}),
	})
	got, err := b.Properties(map[string]bool{"Id": true, "Names": true, "Started": true, "Absent": true, "Nested": true})
	want := map[string]any{"Id": "web.service", "Names": []string{"web.service"}, "Started": uint64(1), "Nested": nil}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v, -want +got\n%s", err, d)
	}
}

// TestCutOff: no part of an answer passes for the whole.
func TestCutOff(t *testing.T) {
	whole := marshal(t, map[string]dbus.Variant{"Id": dbus.MakeVariant("web.service"), "ExecStart": dbus.MakeVariant([]exec{{}, {}})})
	for n := range whole.data {
		for _, wanted := range []map[string]bool{nil, {"Id": true, "ExecStart": true}} {
			part := bodyOf(whole.signature, whole.data[:n])
			if _, err := part.Properties(wanted); err == nil {
				t.Errorf("%d of %d bytes pass", n, len(whole.data))
			}
		}
	}
}

// raw writes numbers as 32 bits, strings as they are.
func raw(parts ...any) (data []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			data = order.AppendUint32(data, uint32(p))
		case string:
			data = append(data, p...)
		}
	}
	return data
}

func TestRefusals(t *testing.T) {
	deep := strings.Repeat("\x01v\x00", maxDepth+5) + "\x01y\x00\x07"
	for name, tc := range map[string]struct {
		signature string
		data      []byte
		want      string
	}{
		"another signature":         {"s", raw(1, "a\x00"), `type "s" in place of "v"`},
		"no signature":              {"", nil, "in place of"},
		"nothing":                   {"v", nil, "beyond the end"},
		"more than one value":       {"v", raw("\x01y\x00\x07\x07"), "does not end"},
		"variant of no type":        {"v", raw("\x00\x00"), `variant of type ""`},
		"variant of two types":      {"v", raw("\x02yy\x00\x01\x01"), `"yy"`},
		"unknown type":              {"v", raw("\x01z\x00\x01"), `"z"`},
		"open structure":            {"v", raw("\x02(y\x00\x01"), `"(y"`},
		"empty structure":           {"v", raw("\x02()\x00"), `"()"`},
		"dictionary without array":  {"v", raw("\x04{sv}\x00"), `"{sv}"`},
		"array of nothing":          {"v", raw("\x01a\x00", 0), `"a"`},
		"signature without end":     {"v", raw("\x01yy\x07"), "without its end"},
		"signature beyond the end":  {"v", raw("\xffy\x00\x07"), "beyond the end"},
		"signature too deep":        {"v", raw("\xfe", strings.Repeat("a", 253), "y\x00"), "variant of type"},
		"variants too deep":         {"v", raw(deep), "nested deeper"},
		"string without end":        {"v", raw("\x01s\x00\x00", 1, "ab"), "without its end"},
		"string beyond the end":     {"v", raw("\x01s\x00\x00", 100, "a\x00"), "beyond the end"},
		"string without measure":    {"v", raw("\x01s\x00\x00", -1, "a\x00"), "length above"},
		"truth value of 2":          {"v", raw("\x01b\x00\x00", 2), "truth value"},
		"padding":                   {"v", raw("\x01u\x00\x01", 2), "padding"},
		"array that is too short":   {"v", raw("\x02as\x00", 4, 1, "a\x00"), "does not end"},
		"array beyond the end":      {"v", raw("\x02as\x00", 100), "beyond the end"},
		"array without measure":     {"v", raw("\x02at\x00", -1), "length above"},
		"array that ends inside":    {"v", raw("\x02as\x00", 5, 1, "a\x00"), "does not end"},
		"structure without its end": {"v", raw("\x04a(y)", "\x00\x00\x00", 2, 0, "\x01"), "beyond the end"},
	} {
		t.Run(name, func(t *testing.T) {
			b := bodyOf([]byte(tc.signature), tc.data)
			v, err := b.Variant()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, error %v; want %q", v, err, tc.want)
			}
		})
	}
}

// FuzzBody: whatever comes, reading ends without a panic, and what is read for
// a whole is what another implementation reads.
func FuzzBody(f *testing.F) {
	f.Add(marshal(f, map[string]dbus.Variant{"Id": dbus.MakeVariant("x"), "E": dbus.MakeVariant([]exec{{Path: "/a"}})}).data)
	f.Add(marshal(f, dbus.MakeVariant([]string{"a", "b"})).data)
	f.Add(raw("\x04a(y)", "\x00\x00\x00", 2, 0, "\x01"))
	f.Add(raw(8, 0, 1, "a\x00", "\x01v\x00\x01v\x00\x01y\x00\x07"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, wanted := range []map[string]bool{nil, {"Id": true, "E": true, "a": true, "": true}} {
			b := bodyOf([]byte("a{sv}"), data)
			if props, err := b.Properties(wanted); err == nil && len(props) > len(data)/8 {
				t.Errorf("%d properties in %d bytes", len(props), len(data))
			}
		}
		b := bodyOf([]byte("v"), data)
		if v, err := b.Variant(); err == nil && v == nil && len(data) < 3 {
			t.Errorf("a value in %q", data)
		}
	})
}
