package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Types of messages, and the header fields that are read or written. See
// https://dbus.freedesktop.org/doc/dbus-specification.html#message-protocol-messages.
const (
	methodCall, methodReturn, methodError = 1, 2, 3

	noAutoStart = 2 // a flag

	fieldPath, fieldInterface, fieldMember = 1, 2, 3
	fieldErrorName, fieldAnswers           = 4, 5
	fieldDestination, fieldSignature       = 6, 8
	version                                = 1
	headerSize                             = 16 // without the fields
)

// maxMessage bounds a message; the largest that a manager sends is a listing of
// units, some 200 bytes for each.
const maxMessage = 64 << 20

// order is the machine's own byte order, and mark its name in a message.
var (
	order = binary.NativeEndian
	mark  = map[bool]byte{true: 'l', false: 'B'}[order.Uint16([]byte{1, 0}) == 1]
)

// Error is a peer's error.
type Error struct {
	Name string // such as org.freedesktop.DBus.Error.AccessDenied
	Text string // may be ""
}

func (e *Error) Error() string {
	if e.Text == "" {
		return e.Name
	}
	return e.Name + ": " + e.Text
}

// message is a message that was read.
type message struct {
	kind    byte
	answers uint32 // the serial of the call; 0 if it is no answer
	name    string // of an error
	body    Body
}

func (m *message) failure() error {
	e := &Error{Name: m.name}
	if len(m.body.signature) > 0 && m.body.signature[0] == 's' {
		e.Text = m.body.string()
	}
	return e
}

// read reads the next message, which is valid until the next call.
func (c *Conn) read() (*message, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, fmt.Errorf("read a message: %w", err)
	}
	fields, body, err := sizes(head)
	if err != nil {
		return nil, fmt.Errorf("read a message: %w", err)
	}
	bodyAt := (fields + 7) &^ 7
	if cap(c.message) < bodyAt+body {
		c.message = make([]byte, bodyAt+body)
	}
	rest := c.message[:bodyAt+body]
	if _, err := io.ReadFull(c.in, rest); err != nil {
		return nil, fmt.Errorf("read a message: %w", err)
	}
	m := &message{kind: head[1], body: Body{cursor: cursor{data: rest[bodyAt:]}}}
	if err := m.header(rest[:fields]); err != nil {
		return nil, fmt.Errorf("read the header of a message: %w", err)
	}
	return m, nil
}

// sizes reads the fixed part of a header: how long the fields are, without
// their padding, and how long the body is.
func sizes(head [headerSize]byte) (fields, body int, err error) {
	switch {
	case head[0] != mark && (head[0] == 'l' || head[0] == 'B'):
		return 0, 0, errors.New("it is in another byte order than this machine's")
	case head[0] != mark:
		return 0, 0, errors.New("it is no D-Bus message")
	case head[3] != version:
		return 0, 0, fmt.Errorf("version %d of the protocol is not known", head[3])
	}
	b, f := order.Uint32(head[4:]), order.Uint32(head[12:])
	if b > maxMessage || f > maxMessage || b+f > maxMessage-headerSize-8 {
		return 0, 0, fmt.Errorf("it is larger than %d bytes", maxMessage)
	}
	return int(f), int(b), nil
}

// header reads the fields, an array of (yv).
func (m *message) header(fields []byte) error {
	h := Body{cursor: cursor{data: fields}}
	for h.err == nil && h.at < len(h.data) {
		h.align(8)
		code := h.byte()
		sig := h.single()
		switch {
		case code == fieldAnswers && string(sig) == "u":
			m.answers = h.uint32()
		case code == fieldErrorName && string(sig) == "s":
			m.name = h.string()
		case code == fieldSignature && string(sig) == "g":
			m.body.signature = h.sig()
		default:
			h.skip(sig, 0)
		}
	}
	return h.err
}

// encoder appends one message; alignment counts from its start.
type encoder struct {
	out   []byte
	start int
}

// appendCall appends a call to a buffer of messages.
func appendCall(out []byte, serial uint32, c Call) []byte {
	e := encoder{out, len(out)}
	e.out = append(e.out, mark, methodCall, noAutoStart, version, 0, 0, 0, 0)
	e.uint32(serial)
	e.uint32(0)
	e.field(fieldPath, 'o', c.Path)
	e.field(fieldInterface, 's', c.Interface)
	e.field(fieldMember, 's', c.Member)
	e.field(fieldDestination, 's', c.Destination)
	e.arguments(len(c.Args))
	order.PutUint32(e.out[e.start+12:], uint32(e.len()-headerSize))
	e.align(8)
	body := e.len()
	for _, a := range c.Args {
		e.string(a)
	}
	order.PutUint32(e.out[e.start+4:], uint32(e.len()-body))
	return e.out
}

func (e *encoder) len() int { return len(e.out) - e.start }

func (e *encoder) align(n int) {
	for e.len()%n != 0 {
		e.out = append(e.out, 0)
	}
}

func (e *encoder) uint32(v uint32) { e.out = order.AppendUint32(e.out, v) }

func (e *encoder) string(s string) {
	e.align(4)
	e.uint32(uint32(len(s)))
	e.out = append(append(e.out, s...), 0)
}

func (e *encoder) field(code, kind byte, value string) {
	e.align(8)
	e.out = append(e.out, code, 1, kind, 0)
	e.string(value)
}

// arguments returns the field with the signature of n strings.
func (e *encoder) arguments(n int) {
	if n == 0 {
		return
	}
	e.align(8)
	e.out = append(e.out, fieldSignature, 1, 'g', 0, byte(n))
	for range n {
		e.out = append(e.out, 's')
	}
	e.out = append(e.out, 0)
}
