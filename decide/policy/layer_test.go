package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/decide/internal/fixture"
)

const helpers = "package stackpolicy.lib\n\nhelp(x) := x\n"

// builtin has one invariant, a library, settings and tests.
func builtin() Source {
	return OpenWithTests(fixture.Folder(map[string]string{
		"main.rego": "package stackpolicy\n\nall := 1\n", "main_test.rego": "package stackpolicy_test\n", "settings.yaml": "settings:\n  settle: 1s\n",
		"lib/help.rego": helpers, "lib/fixture_test.rego": "package stackpolicy.lib_test\n",
		"invariants/loaded/loaded_test.rego": "package stackpolicy.invariants.loaded_test\n",
	}), "")
}

func layer(files map[string]string) Source {
	over := map[string]string{fixture.RuleFile: "", fixture.RunbookFile: ""}
	for name, text := range files {
		over[name] = text
	}
	return OpenWithTests(fixture.Folder(over), "p")
}

// own is an invariant of another id.
func own(id string) map[string]string {
	dir := "invariants/" + id + "/" + id
	return map[string]string{
		dir + ".rego":                     strings.ReplaceAll(fixture.Metadata, "invariants.loaded", "invariants."+id) + fixture.Rule,
		"invariants/" + id + "/loaded.md": fixture.Runbook,
	}
}

// names marks built-in files with a +.
func names(s Source) (list []string) {
	for _, f := range s.Files {
		name := f.Name
		if f.Builtin {
			name = "+" + name
		}
		list = append(list, name)
	}
	return list
}

func TestOver(t *testing.T) {
	t.Parallel()
	lib := []string{"+lib/fixture_test.rego", "+lib/help.rego"}
	loaded := []string{"+invariants/loaded/loaded.md", "+invariants/loaded/loaded.rego", "+invariants/loaded/loaded_test.rego"}
	root := []string{"+main.rego", "+main_test.rego"}
	join := func(lists ...[]string) (all []string) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	for name, c := range map[string]struct {
		layer map[string]string
		want  []string
	}{
		"settings alone":                         {map[string]string{"settings.yaml": "settings: {}\n"}, join(loaded, lib, root, []string{"settings.yaml"})},
		"an own invariant":                       {own("own"), join(loaded, []string{"invariants/own/loaded.md", "invariants/own/own.rego"}, lib, root, []string{"+settings.yaml"})},
		"a replaced invariant, without its test": {own("loaded"), join([]string{"invariants/loaded/loaded.md", "invariants/loaded/loaded.rego"}, lib, root, []string{"+settings.yaml"})},
		"more library":                           {map[string]string{"lib/more.rego": "package stackpolicy.lib\n\nmore := 1\n"}, join(loaded, lib, []string{"lib/more.rego"}, root, []string{"+settings.yaml"})},
		"tests of all together":                  {map[string]string{"main_test.rego": "package stackpolicy_test\n"}, join(loaded, lib, []string{"+main.rego", "main_test.rego", "+settings.yaml"})},
		"a complete one":                         {map[string]string{"main.rego": "package stackpolicy\n"}, []string{"main.rego"}},
	} {
		t.Run(name, func(t *testing.T) {
			whole := layer(c.layer).Over(builtin())
			if d := cmp.Diff(c.want, names(whole)); d != "" || len(whole.Problems) > 0 {
				t.Errorf("problems %v, -want +got\n%s", whole.Problems, d)
			}
		})
	}
}

func TestOverRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		layer map[string]string
		want  string
	}{
		"nothing":                        {map[string]string{"README.md": "x"}, "p: holds no policies; want settings.yaml, invariants/ or lib/"},
		"the library's name":             {map[string]string{"lib/help.rego": helpers}, "p/lib/help.rego: the built-in policies have a file of this name; give it another name"},
		"the name of the library's test": {map[string]string{"lib/fixture_test.rego": "package x\n"}, "p/lib/fixture_test.rego: the built-in policies have a file of this name"},
		"a runbook without its rule":     {map[string]string{fixture.RunbookFile: fixture.Runbook}, "p/invariants/loaded/loaded.md: there is no rule invariants/loaded/loaded.rego beside it; a layer replaces rule, test and runbook of an invariant together: stackpolicy policy new loaded"},
		"a test without its rule":        {map[string]string{"invariants/loaded/loaded_test.rego": "package x\n"}, "p/invariants/loaded/loaded_test.rego: there is no rule invariants/loaded/loaded.rego beside it"},
		"a runbook of nothing":           {map[string]string{"invariants/mine/mine.md": fixture.Runbook}, "p/invariants/mine/mine.md: there is no rule invariants/mine/mine.rego beside it"},
		"a rule in no place":             {map[string]string{"mine.rego": "package mine\n\na := 1\n"}, "p/mine.rego: rules are not read from here"},
		"a rule beside the invariant's":  {map[string]string{"invariants/loaded/more.rego": "package more\n\na := 1\n"}, "p/invariants/loaded/more.rego: rules are not read from here"},
		"unknown data":                   {map[string]string{"settings.yml": "settings: {}\n"}, "p/settings.yml: unknown data file"},
		"a wrong setting":                {map[string]string{"settings.yaml": "settings:\n  settle: 1h\n"}, "p/settings.yaml:2: settle: 1h is out of bounds"},
		"more of a built-in function":    {map[string]string{"lib/more.rego": "package stackpolicy.lib\n\nhelp(x) := 2 if x == 1\n"}, "p/lib/more.rego:3: help is a rule of the built-in lib/help.rego; choose another name"},
		"a replaced rule with a mistake": {map[string]string{fixture.RuleFile: fixture.Rule, fixture.RunbookFile: fixture.Runbook}, "p/invariants/loaded/loaded.rego:"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Parse(layer(c.layer).Over(builtin())).Refusal.Err()
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestALinkedRootStandsAlone: it is refused as a link, and is not taken for a layer.
func TestALinkedRootStandsAlone(t *testing.T) {
	s := Source{Problems: []Problem{{File: "main.rego", Text: "is not a regular file"}}}
	if got := s.Over(builtin()); len(got.Files) > 0 {
		t.Errorf("built-in files are added: %v", names(got))
	}
}

// TestBuiltinErrorsSayWhere: a mistake that shows in a built-in file does not name a file of
// the folder.
func TestBuiltinErrorsSayWhere(t *testing.T) {
	refusal := layer(map[string]string{"settings.yaml": "settings: {}\n"}).Over(builtin()).NewRefusal()
	refusal.Add("lib/help.rego", 3, "wrong")
	if got := refusal.Error(); got != "built-in lib/help.rego:3: wrong" {
		t.Error(got)
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	rule := string(builtin().text(fixture.RuleFile))
	edited := strings.Replace(rule, "not loaded", "is not loaded", 1)
	replacing := func(digest string) string {
		return strings.Replace(edited, "#   runbook:", "#   replaces: "+digest+"\n#   runbook:", 1)
	}
	other := RuleDigest([]byte("other"))
	mine := own("mine")
	gone := own("gone")
	gone["invariants/gone/gone.rego"] = strings.Replace(gone["invariants/gone/gone.rego"], "#   runbook:", "#   replaces: "+other+"\n#   runbook:", 1)
	alone := func(text string) map[string]string {
		return map[string]string{"main.rego": "package stackpolicy\n\nall := 1\n", fixture.RuleFile: text, fixture.RunbookFile: fixture.Runbook}
	}
	with := func(text string) map[string]string {
		return map[string]string{fixture.RuleFile: text, fixture.RunbookFile: fixture.Runbook}
	}
	for name, c := range map[string]struct {
		folder map[string]string
		id     string
		want   Origin
		note   string // a part of the only note
	}{
		"settings alone":      {map[string]string{"settings.yaml": "settings: {}\n"}, "loaded", Origin{From: FromBuiltin}, ""},
		"own":                 {mine, "mine", Origin{From: FromOwn}, ""},
		"replaced, unchanged": {with(replacing(RuleDigest([]byte(rule)))), "loaded", Origin{FromReplaced, SinceUnchanged}, ""},
		"replaced, changed":   {with(replacing(other)), "loaded", Origin{FromReplaced, SinceChanged}, "invariants/loaded/loaded.rego: the built-in rule has changed since it was replaced; "},
		"replaced, unknown":   {with(edited), "loaded", Origin{FromReplaced, SinceUnknown}, "write custom.replaces: " + RuleDigest([]byte(rule))},
		"replaced, removed":   {gone, "gone", Origin{FromOwn, SinceRemoved}, "a built-in rule that does not exist any more"},
		"a copy":              {alone(rule), "loaded", Origin{From: FromBuiltin}, ""},
		"an edited copy":      {alone(edited), "loaded", Origin{FromReplaced, SinceUnknown}, "nothing says which version"},
	} {
		t.Run(name, func(t *testing.T) {
			source := layer(c.folder).Over(builtin())
			folder := Parse(source)
			if err := folder.Refusal.Err(); err != nil {
				t.Fatal(err)
			}
			var list []Invariant
			for _, inv := range folder.Invariants {
				list = append(list, *inv)
			}
			o := OriginsOf(source, list, Base{}, builtin())
			if got := o.ByID[c.id]; got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			notes := strings.Join(o.Notes(), "\n")
			if (notes == "") != (c.note == "") || !strings.Contains(notes, c.note) {
				t.Errorf("notes %q, want %q", notes, c.note)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	files := own("mine")
	files["main.rego"] = "package stackpolicy\n"
	o := OriginsOf(layer(files), nil, Base{}, builtin())
	if got := fmt.Sprint(o.Missing, o.Notes()); got != "[loaded] [1 built-in invariant is not in this folder: loaded]" {
		t.Error(got)
	}
}

func TestReplacesIsChecked(t *testing.T) {
	for _, wrong := range []string{"sha256:12", "1", "[]", "md5"} {
		err := Read(fixture.WithMetadata("#   runbook: loaded.md", "#   replaces: "+wrong+"\n#   runbook: loaded.md"), "p").Refusal.Err()
		if err == nil || !strings.Contains(err.Error(), "p/invariants/loaded/loaded.rego:11: custom.replaces is ") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
