package fleet

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Each source has one subject, of which only it is the source.
func TestSubjects(t *testing.T) {
	random, seen := rand.New(rand.NewPCG(1, 2)), map[string]Source{}
	name := func() string {
		b := make([]byte, 1+random.IntN(4))
		for i := range b {
			b[i] = []byte("ab.%*> \x00\xff2E")[random.IntN(11)]
		}
		return string(b)
	}
	for range 20_000 {
		s := Source{name(), name(), name()}
		subject, err := s.Subject()
		if err != nil {
			t.Fatal(err)
		}
		if other, has := seen[subject]; has && other != s || strings.ContainsAny(subject, "*> \x00") || strings.Count(subject, ".") != 3 {
			t.Fatalf("%q of %q, also of %q", subject, s, other)
		}
		seen[subject] = s
		if again, err := ParseSubject(subject); err != nil || again != s {
			t.Fatalf("%q: %q, %v; want %q", subject, again, err, s)
		}
	}
	for _, bad := range []string{"", "evidence", "evidence.a.b", "evidence.a.b.c.d", "evidence.a..c", "other.a.b.c", "evidence.a.b.%61", "evidence.a.b.%2e", "evidence.a.b.%2", "evidence.a.b.%", "evidence.a.*.c", "evidence.a.b." + strings.Repeat("c", 65)} {
		if s, err := ParseSubject(bad); err == nil {
			t.Errorf("%q is the subject of %q", bad, s)
		}
	}
}
