package stack

import (
	"slices"
	"strings"
	"testing"

	"stackpolicy/config"
)

// What a config or secret says in the compose file itself, or in a variable, is a part of the
// definition of the services that have it, and of no other.
func TestDefinitionOfInlineContent(t *testing.T) {
	const file = `
services:
  app: {image: localhost/app:1, configs: [motd], secrets: [pin]}
  db: {image: localhost/app:1, secrets: [pin]}
  web: {image: localhost/app:1}
configs: {motd: {content: hello}}
secrets: {pin: {environment: PIN}}
`
	w := newWorld(t)
	s := w.web(func(*config.Stack) {})
	defined := func(file, pin string) (of map[string]string, whole string) {
		t.Helper()
		w.write("compose.yaml", file, 0o644)
		project, bad := s.load(t.Context(), append(slices.Clone(w.Environ), "PIN="+pin))
		if bad != nil {
			t.Fatal(bad)
		}
		_, of, err := resolve(t.Context(), s, project)
		if err != nil {
			t.Fatal(err)
		}
		if whole, err = projectDefinition(t.Context(), s, project); err != nil {
			t.Fatal(err)
		}
		return of, whole
	}
	before, whole := defined(file, "0815")
	for what, c := range map[string]struct {
		file, pin string
		changed   []string
	}{
		"nothing":          {file, "0815", nil},
		"a config":         {strings.Replace(file, "hello", "good day", 1), "0815", []string{"app"}},
		"a secret's value": {file, "4711", []string{"app", "db"}},
	} {
		after, now := defined(c.file, c.pin)
		var changed []string
		for _, name := range []string{"app", "db", "web"} {
			if before[name] != after[name] {
				changed = append(changed, name)
			}
		}
		if !slices.Equal(changed, c.changed) || (now != whole) != (c.changed != nil) {
			t.Errorf("%s: the definitions of %v changed, want %v; that of the whole: %t", what, changed, c.changed, now != whole)
		}
	}
}
