package unitfile

import (
	"slices"
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

func TestIndexBounds(t *testing.T) {
	dir := t.TempDir()
	if x, err := ReadIndex(t.Context(), []string{dir + "/none", dir, dir}); err != nil || len(x.Names()) != 0 {
		t.Errorf("an empty path: %v, %v", x, err)
	}
	canceled, cancel := contextCanceled(t)
	cancel()
	if _, err := ReadIndex(canceled, []string{dir}); err == nil {
		t.Error("a canceled read gave an index")
	}
}

func TestIndexLinks(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"default.target.wants/web.service": "-> ../web.service",
		"default.target.wants/not-a-unit":  "-> ../web.service",
		"web.service.upholds/db.service":   "-> /nowhere",
		"elsewhere/db.service":             "-> /nowhere",
		"linked.target.requires":           "-> elsewhere",
	})
	x, err := ReadIndex(t.Context(), []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	want := []Link{{dir + "/default.target.wants/web.service", "default.target", "wants"}}
	if got := x.Links("web.service"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	want = []Link{{dir + "/web.service.upholds/db.service", "web.service", "upholds"}}
	if got := x.Links("db.service"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: a relatively linked folder is not read", got, want)
	}
	if x.LinksChanged("default.target").IsZero() {
		t.Error("a folder of links has no time")
	}
}
