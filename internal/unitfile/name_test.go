package unitfile

import (
	"strings"
	"testing"
)

func TestValid(t *testing.T) {
	for name, want := range map[string]bool{
		"web.service":                         true,
		"web@one.service":                     true,
		"web@.service":                        true,
		"a@b@c.service":                       true,
		".hidden.service":                     true,
		`a\x2db:c_d.timer`:                    true,
		strings.Repeat("a", 247) + ".service": true,
		strings.Repeat("a", 248) + ".service": false,
		"@one.service":                        false,
		".service":                            false,
		"web":                                 false,
		"web.":                                false,
		"web.conf":                            false,
		"web.SERVICE":                         false,
		"a b.service":                         false,
		"a/b.service":                         false,
		"wéb.service":                         false,
		"web[1].service":                      false,
		"web.service\n":                       false,
		"web\x00.service":                     false,
		"":                                    false,
	} {
		if got := Valid(name); got != want {
			t.Errorf("Valid(%q) = %t, want %t", name, got, want)
		}
	}
}

func TestTemplate(t *testing.T) {
	for _, tc := range []struct {
		name, template string
		isTemplate     bool
	}{
		{"web@one.service", "web@.service", false},
		{"web@a@b.service", "web@.service", false},
		{"web@a.b.service", "web@.service", false},
		{"web@.service", "", true},
		{"web@@.service", "web@.service", false},
		{"web.service", "", false},
	} {
		if got := Template(tc.name); got != tc.template {
			t.Errorf("Template(%q) = %q, want %q", tc.name, got, tc.template)
		}
		if got := IsTemplate(tc.name); got != tc.isTemplate {
			t.Errorf("IsTemplate(%q) = %t", tc.name, got)
		}
	}
}

func TestDropInFolders(t *testing.T) {
	for name, want := range map[string]string{
		"foo.service":         "foo.service.d",
		"foo-bar-baz.service": "foo-bar-baz.service.d foo-bar-.service.d foo-.service.d",
		"foo-.service":        "foo-.service.d",
		"foo-bar-.service":    "foo-bar-.service.d foo-.service.d",
		"foo--bar.service":    "foo--bar.service.d foo--.service.d foo-.service.d",
		"-foo.service":        "-foo.service.d",
		"a@x-y.service":       "a@x-y.service.d a@.service.d",
		"foo-bar@.service":    "foo-bar@.service.d foo-.service.d",
		"foo-bar@x.service":   "foo-bar@x.service.d foo-bar@.service.d foo-.service.d foo-@x.service.d foo-@.service.d",
	} {
		if got := strings.Join(dropInFolders(name), " "); got != want {
			t.Errorf("dropInFolders(%q)\ngot  %s\nwant %s", name, got, want)
		}
	}
}

func TestResolve(t *testing.T) {
	for _, tc := range []struct{ owner, name, want string }{
		{"web.service", "db.service", "db.service"},
		{"web.service", "h@.service", "h@web.service"},
		{"web@one.service", "h@.service", "h@one.service"},
		{"web@one.service", "h@two.service", "h@two.service"},
		{"a-b.target", "h@.timer", "h@a-b.timer"},
		{"web@a@b.service", "h@.service", "h@a@b.service"},
	} {
		if got := Resolve(tc.owner, tc.name); got != tc.want {
			t.Errorf("Resolve(%q, %q) = %q, want %q", tc.owner, tc.name, got, tc.want)
		}
	}
}
