package fleet

import (
	"errors"
	"fmt"
	"strings"
)

// Source is one account of one host: what sends one chain of envelopes.
type Source struct {
	Org  string `json:"org"`
	Host string `json:"host"` // the name that it was enrolled with
	User string `json:"user"`
}

// evidence is the first token of the subjects of envelopes.
const evidence = "evidence"

// maxName bounds the bytes of each name of a source.
const maxName = 64

// Subject returns the NATS subject of the source's envelopes, evidence.ORG.HOST.USER. Bytes of
// a name that mean something in a subject are written as %XX. It is an error if a name is empty
// or too long.
func (s Source) Subject() (string, error) {
	tokens := []string{evidence}
	for _, name := range []string{s.Org, s.Host, s.User} {
		if name == "" || len(name) > maxName {
			return "", fmt.Errorf("%q is no name in a fleet: it must have 1 to %d bytes", name, maxName)
		}
		tokens = append(tokens, token(name))
	}
	return strings.Join(tokens, "."), nil
}

// ParseSubject returns the source of a subject that [Source.Subject] made. Each source has
// exactly one subject.
func ParseSubject(subject string) (Source, error) {
	wrong := fmt.Errorf("%.300q is no subject of envelopes", subject)
	tokens := strings.Split(subject, ".")
	if len(tokens) != 4 || tokens[0] != evidence {
		return Source{}, wrong
	}
	var names [3]string
	for i, t := range tokens[1:] {
		name, err := untoken(t)
		if err != nil {
			return Source{}, wrong
		}
		names[i] = name
	}
	s := Source{names[0], names[1], names[2]}
	if again, err := s.Subject(); err != nil || again != subject {
		return Source{}, wrong
	}
	return s, nil
}

const hexDigits = "0123456789ABCDEF"

func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

func token(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; isPlain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}

func untoken(t string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(t); i++ {
		if t[i] != '%' {
			b.WriteByte(t[i])
			continue
		}
		if i+2 >= len(t) {
			return "", errors.New("cut")
		}
		high, low := strings.IndexByte(hexDigits, t[i+1]), strings.IndexByte(hexDigits, t[i+2])
		if high < 0 || low < 0 {
			return "", errors.New("no digits")
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	return b.String(), nil
}
