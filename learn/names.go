package learn

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"stackpolicy/facts"
)

// The names in a fixture.
const (
	userName = "ada"
	home     = "/home/ada"
	hostName = "lab"
	unitStem = "unit"
	uid      = 1000
)

// common are words that are in many paths and texts, whatever the account and the host are
// called.
var common = []string{
	"nix", "store", "systemd", "user", "users", "home", "run", "etc", "usr", "var", "lib", "bin", "tmp", "root", "podman", "config", "service",
	"local", "localhost", "share", "data", "containers", "container", "docker", "library", "host", "linger", "default", "manager", "active", "running",
	"ok", "true", "false", "loaded", "failed",
}

// renaming replaces names of this host in texts.
type renaming struct {
	steps []step
	uid   int
}

type step struct {
	find *regexp.Regexp
	with string
}

// rename returns the renaming for a document. Without words the names of user and host are only
// replaced where nothing else can be meant: in the home, and where they are the whole text.
func rename(doc *facts.Document, o Options, words bool) renaming {
	r := renaming{}
	if u := doc.User; u != nil {
		if len(u.Home) > 1 {
			r.add(regexp.QuoteMeta(strings.TrimRight(u.Home, "/"))+`(/|$|[^\w.-])`, home+"${1}")
		}
		r.add(`home-manager-`+regexp.QuoteMeta(u.Name)+`\b`, "home-manager-"+userName)
		r.word(u.Name, userName, words && !isUsed(doc, u.Name))
		if u.UID != 0 {
			r.uid = u.UID
			r.add(fmt.Sprintf(`(/run/user/|user@)%d\b`, u.UID), fmt.Sprintf("${1}%d", uid))
		}
	}
	if h := doc.Host; h != nil {
		r.word(h.Name, hostName, words && !isUsed(doc, h.Name))
	}
	if o.RenameUnit {
		stem, _, _ := strings.Cut(o.Subject, ".")
		r.word(stem, unitStem, true)
	}
	return r
}

// isUsed reports whether a name is also a word of a unit's, stack's or container's name, or
// a common one.
func isUsed(doc *facts.Document, name string) bool {
	if slices.Contains(common, strings.ToLower(name)) {
		return true
	}
	find := regexp.MustCompile(bounded(name))
	for i := range doc.Units {
		u := &doc.Units[i]
		if find.MatchString(u.Name) || find.MatchString(u.Stack) {
			return true
		}
		for _, c := range u.Containers {
			if find.MatchString(c.Name) || find.MatchString(c.Image) {
				return true
			}
		}
	}
	return false
}

// bounded matches a name between other characters than letters and digits.
func bounded(name string) string {
	return `(^|[^A-Za-z0-9])` + regexp.QuoteMeta(name) + `($|[^A-Za-z0-9])`
}

func (r *renaming) add(find, with string) {
	r.steps = append(r.steps, step{regexp.MustCompile(find), with})
}

func (r *renaming) word(name, with string, anywhere bool) {
	switch {
	case name == "" || name == with:
	case anywhere:
		r.add(bounded(name), "${1}"+with+"${2}")
	default:
		r.add(`^`+regexp.QuoteMeta(name)+`$`, with)
	}
}

// text returns a text with the names replaced. Two names can share the character between
// them, so each step is done twice.
func (r renaming) text(s string) string {
	for _, step := range r.steps {
		for range 2 {
			s = step.find.ReplaceAllString(s, step.with)
		}
	}
	return s
}

// value returns a JSON value with the names replaced, also in keys of objects.
func (r renaming) value(v any) any {
	switch v := v.(type) {
	case string:
		return r.text(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = r.value(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			if n, is := value.(json.Number); is && key == "uid" && r.uid != 0 && n.String() == fmt.Sprint(r.uid) {
				value = json.Number(fmt.Sprint(uid))
			}
			out[r.text(key)] = r.value(value)
		}
		return out
	}
	return v
}

// left returns the names of the user, the host and the home that a text still has.
func left(doc *facts.Document, text string) (names []string) {
	add := func(name, with string) {
		if name != "" && name != with && regexp.MustCompile(bounded(name)).MatchString(text) {
			names = append(names, name)
		}
	}
	if doc.User != nil {
		add(doc.User.Name, userName)
		add(doc.User.Home, home)
	}
	if doc.Host != nil {
		add(doc.Host.Name, hostName)
	}
	return names
}
