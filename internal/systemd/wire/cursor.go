package wire

import (
	"errors"
	"fmt"
)

// cursor reads D-Bus's basic types from marshalled bytes, one after the other, and never beyond
// their end. The first fault stays; what is read after it is zero.
type cursor struct {
	data []byte
	at   int
	err  error
}

// end checks that nothing is left.
func (c *cursor) end() error {
	c.exactly(len(c.data))
	return c.err
}

func (c *cursor) exactly(end int) {
	if c.at != end {
		c.fail(errors.New("a value does not end where it should"))
	}
}

func (c *cursor) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// take returns the next n bytes, or nil if there are fewer.
func (c *cursor) take(n int) []byte {
	if c.err == nil && n > len(c.data)-c.at {
		c.fail(errors.New("a value goes beyond the end of its message"))
	}
	if c.err != nil {
		return nil
	}
	c.at += n
	return c.data[c.at-n : c.at]
}

func (c *cursor) align(n int) {
	for _, pad := range c.take(-c.at & (n - 1)) {
		if pad != 0 {
			c.fail(errors.New("padding that is not zero"))
		}
	}
}

func (c *cursor) byte() byte {
	if v := c.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (c *cursor) uint16() uint16 {
	c.align(2)
	if v := c.take(2); v != nil {
		return order.Uint16(v)
	}
	return 0
}

func (c *cursor) uint32() uint32 {
	c.align(4)
	if v := c.take(4); v != nil {
		return order.Uint32(v)
	}
	return 0
}

func (c *cursor) uint64() uint64 {
	c.align(8)
	if v := c.take(8); v != nil {
		return order.Uint64(v)
	}
	return 0
}

func (c *cursor) bool() bool {
	v := c.uint32()
	if v > 1 {
		c.fail(fmt.Errorf("a truth value of %d", v))
	}
	return v == 1
}

// length reads the length of a string or an array.
func (c *cursor) length() int {
	n := c.uint32()
	if n > maxMessage {
		c.fail(fmt.Errorf("a length above %d", maxMessage))
		return 0
	}
	return int(n)
}

func (c *cursor) string() string { return string(c.text()) }

// text returns a string without copying it.
func (c *cursor) text() []byte { return c.terminated(c.length()) }

func (c *cursor) terminated(n int) []byte {
	v := c.take(n)
	if c.byte() != 0 {
		c.fail(errors.New("a string without its end"))
	}
	return v
}
