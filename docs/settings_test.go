package docs

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"stackpolicy/config"
	"stackpolicy/decide/policy"
	"stackpolicy/notify"
)

// TestSettingsAreDocumented: settings.md has a line for each key of settings.yaml and
// of config.yaml. Large parts of config.yaml have their own pages.
func TestSettingsAreDocumented(t *testing.T) {
	page := pages(t)["settings.md"]
	keys := keysOf(reflect.TypeFor[policy.Settings](), "", "Waivers", "Decide")
	keys = append(keys, keysOf(reflect.TypeFor[config.Config](), "")...)
	if len(keys) < 20 {
		t.Fatalf("only %d keys were seen: %v", len(keys), keys)
	}
	for _, key := range keys {
		if n := strings.Count(page, "\n| `"+key+"` |"); n != 1 {
			t.Errorf("settings.md has %d lines about the key %s, want one", n, key)
		}
	}
	if rows := strings.Count(page, "\n| `"); rows != len(keys) {
		t.Errorf("settings.md is about %d keys, there are %d", rows, len(keys))
	}
}

// TestRegalIsDocumented: editor.md has the configuration with which Regal finds nothing.
func TestRegalIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../.regal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.SplitAfter(string(text), "\n"), func(line string) bool {
		return strings.HasPrefix(strings.TrimSpace(line), "#")
	})
	if want := "```yaml\n" + strings.Join(lines, "") + "```\n"; !strings.Contains(pages(t)["editor.md"], want) {
		t.Errorf("editor.md lacks\n%s", want)
	}
}

// keysOf returns the YAML keys of a struct. A key that is a struct is replaced by its
// own keys, except alerts; so are the lists of the given names.
func keysOf(of reflect.Type, prefix string, lists ...string) (keys []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		key := prefix + f.Tag.Get("yaml")
		switch {
		case !f.IsExported():
		case slices.Contains(lists, f.Name):
			keys = append(append(keys, key), keysOf(f.Type.Elem(), key+".")...)
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[notify.Config]():
			keys = append(keys, keysOf(f.Type, key+".")...)
		default:
			keys = append(keys, key)
		}
	}
	return keys
}
