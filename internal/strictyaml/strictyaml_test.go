package strictyaml

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

type whole struct {
	Name   string           `yaml:"name"`
	Wait   time.Duration    `yaml:"wait"`
	Count  int              `yaml:"count"`
	On     *bool            `yaml:"on"`
	Parts  []part           `yaml:"parts"`
	ByName map[string]*part `yaml:"by_name"`
	hidden int
}

type part struct {
	Path  string `yaml:"path"`
	limit `yaml:",inline"`
	Rest  *rest `yaml:",inline"`
}

type rest struct {
	Tag string `yaml:"tag"`
}

type limit struct {
	Max  int    `yaml:"max"`
	Note string `yaml:"-"`
}

// UnmarshalYAML takes a path alone for a part.
func (p *part) UnmarshalYAML(node *yaml.Node) error {
	type plain part
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&p.Path)
	}
	return node.Decode((*plain)(p))
}

func TestDecode(t *testing.T) {
	yes := true
	cases := map[string]struct {
		content string
		want    whole
	}{
		"empty":         {"", whole{Name: "default"}},
		"comment alone": {"# nothing\n", whole{Name: "default"}},
		"null":          {"~\n", whole{Name: "default"}},
		"every key": {"name: a\nwait: 90s\ncount: 3\non: true\nparts: [/x, {path: /y, max: 2, tag: t}]\nby_name: {b: {max: 4}}\n", whole{
			Name: "a", Wait: 90 * time.Second, Count: 3, On: &yes,
			Parts: []part{{Path: "/x"}, {Path: "/y", limit: limit{Max: 2}, Rest: &rest{"t"}}}, ByName: map[string]*part{"b": {limit: limit{Max: 4}}},
		}},
		"merged":              {"by_name:\n  a: &a {path: /x}\n  b: {<<: *a, max: 1}\n", whole{Name: "default", ByName: map[string]*part{"a": {Path: "/x"}, "b": {Path: "/x", limit: limit{Max: 1}}}}},
		"alias as a key":      {"name: &k count\n*k: 2\n", whole{Name: "count", Count: 2}},
		"one end marker":      {"---\nname: a\n...\n", whole{Name: "a"}},
		"keys without values": {"name:\nparts:\nby_name:\n", whole{Name: "default"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := whole{Name: "default"}
			if _, err := Decode([]byte(c.content), &got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(whole{}, part{})); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	const known, knownOfPart = "known: name, wait, count, on, parts, by_name", "known: path, max, tag"
	cases := map[string]struct{ content, want string }{
		"unknown key":            {"name: a\nnmae: b\n", `line 2: unknown key "nmae"; did you mean name? ` + known},
		"unexported field":       {"hidden: 1\n", `line 1: unknown key "hidden"; ` + known},
		"field without a key":    {"parts:\n- note: x\n", `line 2: unknown key "note"; ` + knownOfPart},
		"the name of an inline":  {"parts:\n- limit: {max: 1}\n", `line 2: unknown key "limit"; ` + knownOfPart},
		"unknown key in a map":   {"by_name:\n  a: {pth: /x}\n", `line 2: unknown key "pth"; did you mean path? ` + knownOfPart},
		"unknown key, merged":    {"by_name:\n  a: &a {path: /x}\n  b:\n    <<: [*a, {pth: /y}]\n", `line 4: unknown key "pth"; did you mean path? ` + knownOfPart},
		"unknown key by alias":   {"name: &count x\n*count: 2\n", `line 2: unknown key "x"; ` + known},
		"unknown key, many uses": {"by_name:\n  a: &a {pth: /x}\n  b: *a\n  c: *a\n", `line 2: unknown key "pth"; did you mean path? ` + knownOfPart},
		"a key that is a list":   {"? [a]\n: b\n", "line 1: want a text"},
		"a key twice":            {"name: a\nname: b\n", `line 2: mapping key "name" already defined at line 1`},
		"two problems":           {"wait: x\nb: c\n", "line 1: wait: want a duration such as 90s, 15m or 24h, got `x`\nline 2: unknown key \"b\"; " + known},
		"no number":              {"count: many\n", "line 1: count: want a whole number in range, got `many`"},
		"a number out of range":  {"count: 99999999999999999999\n", "line 1: count: want a whole number in range, got `9999999...`"},
		"no boolean":             {"on: perhaps\n", "line 1: on: want true or false, got `perhaps`"},
		"no text":                {"name: [a]\n", "line 1: name: want a text"},
		"no list":                {"parts: {path: /x}\n", "line 1: parts: want a list such as [a, b]"},
		"no mapping":             {"by_name: all\n", "line 1: by_name: want keys with values, such as a: b, got `all`"},
		"a list at the top":      {"- a\n", "line 1: want keys with values, such as a: b"},
		"a text at the top":      {"a\n", "line 1: want keys with values, such as a: b, got `a`"},
		"two on a line":          {"by_name: {a: {max: x}, b: {max: y}}\n", "line 1: max: want a whole number in range, got `x`\nline 1: max: want a whole number in range, got `y`"},
		"in a list":              {"parts:\n- path: [x]\n", "line 2: path: want a text"},
		"below a name":           {"by_name:\n  a: {max: [3]}\n", "line 2: max: want a whole number in range"},
		"two documents":          {"name: a\n---\nname: b\n", "more than one YAML document; keep the first"},
		"broken second document": {"name: a\n---\n[", "more than one YAML document; keep the first"},
		"no YAML":                {"name: a\n\t: b\n", "line 2: found a tab character that violates indentation"},
		"no UTF-8":               {"name: \xff\n", "invalid leading UTF-8 octet"},
		"an alias of itself":     {"by_name: &a {b: *a}\n", `line 1: unknown key "b"; ` + knownOfPart},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Decode([]byte(c.content), &whole{})
			if err == nil || err.Error() != c.want {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

// TestManyAliases: aliases of aliases name more places than can be checked one
// by one.
func TestManyAliases(t *testing.T) {
	type list struct {
		Lists [][][]part `yaml:"lists"`
	}
	row := func(name string) string {
		return "[" + strings.TrimSuffix(strings.Repeat("*"+name+", ", 5_000), ", ") + "]"
	}
	bomb := "lists:\n- - &a [{max: 1}]\n- &b " + row("a") + "\n" + strings.Repeat("- *b\n", 5_000)
	start := time.Now()
	if _, err := Decode([]byte(bomb), &list{}); err == nil || !strings.Contains(err.Error(), "excessive aliasing") {
		t.Errorf("got %v; want that it is refused", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestLine(t *testing.T) {
	const content = `name: a
parts:
  - path: /x
  - &p
    max: 2
by_name:
  b: *p
`
	doc, err := Decode([]byte(content), &whole{})
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		path string
		want int
	}{
		{"name", 1}, {"parts", 2}, {"parts.0", 3}, {"parts.1.max", 5}, {"by_name.b", 7}, {"by_name.b.max", 5},
		{"parts.1.path", 4}, {"parts.2", 2}, {"parts.-1", 2}, {"parts.x", 2}, {"nothing", 0}, {"name.more", 1},
	}
	for _, c := range cases {
		if got := doc.Line(strings.Split(c.path, ".")...); got != c.want {
			t.Errorf("%s: got line %d, want %d", c.path, got, c.want)
		}
	}
	if got := (Document{}).Line("name"); got != 0 {
		t.Errorf("an empty file: got line %d, want 0", got)
	}
}
