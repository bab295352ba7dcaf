package policy

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/decide/internal/fixture"
)

// filesOf returns a source of files, in a folder.
func filesOf(files map[string]string) Source {
	s := Source{Name: "p"}
	for name, text := range files {
		s.Files = append(s.Files, File{Name: name, Text: []byte(text)})
	}
	s.sort()
	return s
}

// applied returns the folder after an upgrade.
func applied(s Source, u Upgrade) Source {
	files := map[string]string{}
	for _, f := range s.Files {
		files[f.Name] = string(f.Text)
	}
	for name, text := range u.Change {
		if files[name] = string(text); text == nil {
			delete(files, name)
		}
	}
	return filesOf(files)
}

// said lists the steps, each as what was done and the file.
func said(u Upgrade) (list []string) {
	for _, s := range u.Steps {
		list = append(list, string(s.Did)+" "+s.File)
	}
	return list
}

const (
	rule    = "invariants/loaded/loaded.rego"
	ruleOld = "# METADATA\n# title: old\n# custom:\n#   severity: page\n#   runbook: a.md\nx\n"
	ruleNew = "# METADATA\n# title: new\n# custom:\n#   severity: page\n#   runbook: a.md\nx\n"
	test    = "invariants/loaded/loaded_test.rego"
	book    = "invariants/loaded/a.md"
)

func replacing(text, of string) string {
	return string(withReplaces([]byte(text), RuleDigest([]byte(of))))
}

func TestPlanUpgrade(t *testing.T) {
	t.Parallel()
	type files = map[string]string
	whole := func(more files) files {
		all := files{"main.rego": "m\n"}
		maps.Copy(all, more)
		return all
	}
	edited := strings.Replace(ruleOld, "severity: page", "severity: ticket", 1)
	merged := strings.Replace(ruleNew, "severity: page", "severity: ticket", 1)
	const abc, Abc, abC, AbC = "a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n"
	for name, c := range map[string]struct {
		mine, base, builtin files
		want                files // the folder afterwards
		said                []string
	}{
		"nothing":                  {whole(files{"f": abc}), whole(files{"f": abc}), whole(files{"f": abc}), whole(files{"f": abc}), nil},
		"mine alone":               {whole(files{"f": Abc}), whole(files{"f": abc}), whole(files{"f": abc}), whole(files{"f": Abc}), nil},
		"taken":                    {whole(files{"f": abc}), whole(files{"f": abc}), whole(files{"f": Abc}), whole(files{"f": Abc}), []string{"taken f"}},
		"merged":                   {whole(files{"f": Abc}), whole(files{"f": abc}), whole(files{"f": abC}), whole(files{"f": AbC}), []string{"merged f"}},
		"conflict":                 {whole(files{"f": "X\n"}), whole(files{"f": "a\n"}), whole(files{"f": "Y\n"}), whole(files{"f": "<<<<<<< mine\nX\n=======\nY\n>>>>>>> built in v2\n"}), []string{"conflict f"}},
		"the same change":          {whole(files{"f": Abc}), whole(files{"f": abc}), whole(files{"f": Abc}), whole(files{"f": Abc}), nil},
		"added":                    {whole(nil), whole(nil), whole(files{"f": abc}), whole(files{"f": abc}), []string{"added f"}},
		"added by both":            {whole(files{"f": Abc}), whole(nil), whole(files{"f": abc}), whole(files{"f": Abc}), []string{"no base f"}},
		"removed":                  {whole(files{"f": abc}), whole(files{"f": abc}), whole(nil), whole(nil), []string{"removed f"}},
		"removed, edited":          {whole(files{"f": Abc}), whole(files{"f": abc}), whole(nil), whole(files{"f": Abc}), []string{"kept f"}},
		"removed by me":            {whole(nil), whole(files{"f": abc}), whole(files{"f": abc}), whole(nil), nil},
		"removed by me, changed":   {whole(nil), whole(files{"f": abc}), whole(files{"f": Abc}), whole(nil), []string{"kept f"}},
		"removed by both":          {whole(nil), whole(files{"f": abc}), whole(nil), whole(nil), nil},
		"my own":                   {whole(files{"f": abc}), whole(nil), whole(nil), whole(files{"f": abc}), nil},
		"an empty file":            {whole(files{"f": ""}), whole(files{"f": ""}), whole(files{"f": abc}), whole(files{"f": abc}), []string{"taken f"}},
		"an invariant removed":     {whole(files{rule: ruleOld, book: "b\n"}), whole(files{rule: ruleOld, book: "b\n"}), whole(nil), whole(nil), []string{"removed " + book, "removed " + rule}},
		"an edited one removed":    {whole(files{rule: edited, book: "b\n"}), whole(files{rule: ruleOld, book: "b\n"}), whole(nil), whole(files{rule: edited, book: "b\n"}), []string{"kept " + book, "kept " + rule}},
		"one that I removed grows": {whole(nil), whole(files{rule: ruleOld}), whole(files{rule: ruleOld, test: "t\n"}), whole(nil), []string{"kept " + rule}},
		"a file that I removed":    {whole(files{rule: ruleOld}), whole(files{rule: ruleOld, test: "t\n"}), whole(files{rule: ruleOld, test: "t\n"}), whole(files{rule: ruleOld}), nil},
		"an invariant grows":       {whole(files{rule: edited}), whole(files{rule: ruleOld}), whole(files{rule: ruleOld, test: "t\n"}), whole(files{rule: edited, test: "t\n"}), []string{"added " + test}},
		"my own of a new id":       {whole(files{rule: edited}), whole(nil), whole(files{rule: ruleOld, test: "t\n"}), whole(files{rule: edited}), []string{"no base " + rule}},

		"layer: settings are mine":    {files{"settings.yaml": "s\n"}, nil, whole(files{"settings.yaml": "t\n", rule: ruleNew}), files{"settings.yaml": "s\n"}, nil},
		"layer: unedited":             {files{rule: replacing(ruleOld, ruleOld)}, files{rule: ruleOld}, whole(files{rule: ruleNew}), files{rule: replacing(ruleNew, ruleNew)}, []string{"taken " + rule}},
		"layer: edited beside it":     {files{rule: replacing(edited, ruleOld)}, files{rule: ruleOld}, whole(files{rule: ruleNew}), files{rule: replacing(merged, ruleNew)}, []string{"merged " + rule}},
		"layer: unchanged":            {files{rule: replacing(edited, ruleNew)}, files{rule: ruleNew}, whole(files{rule: ruleNew}), files{rule: replacing(edited, ruleNew)}, nil},
		"layer: its test alone":       {files{rule: replacing(edited, ruleNew), test: "t\n"}, files{rule: ruleNew, test: "t\n"}, whole(files{rule: ruleNew, test: "u\n"}), files{rule: replacing(edited, ruleNew), test: "u\n"}, []string{"taken " + test}},
		"layer: compared by hand":     {files{rule: replacing(edited, ruleNew), test: "t\n"}, files{rule: ruleOld, test: "t\n"}, whole(files{rule: ruleNew, test: "u\n"}), files{rule: replacing(edited, ruleNew), test: "t\n"}, []string{"kept " + rule, "kept " + test}},
		"layer: compared, no base":    {files{rule: replacing(edited, ruleNew)}, nil, whole(files{rule: ruleNew, test: "u\n"}), files{rule: replacing(edited, ruleNew)}, nil},
		"layer: of another version":   {files{rule: replacing(edited, "x"), test: "t\n"}, files{rule: ruleOld, test: "t\n"}, whole(files{rule: ruleNew, test: "u\n"}), files{rule: replacing(edited, "x"), test: "t\n"}, []string{"no base " + rule, "no base " + test}},
		"layer: no base":              {files{rule: edited}, nil, whole(files{rule: ruleNew, test: "u\n"}), files{rule: edited}, []string{"no base " + rule}},
		"layer: removed":              {files{rule: replacing(ruleOld, ruleOld)}, files{rule: ruleOld}, whole(nil), files{}, []string{"removed " + rule}},
		"layer: removed, edited":      {files{rule: replacing(edited, ruleOld)}, files{rule: ruleOld}, whole(nil), files{rule: replacing(edited, ruleOld)}, []string{"kept " + rule}},
		"layer: what it has not":      {files{rule: replacing(ruleNew, ruleNew)}, files{rule: ruleNew}, whole(files{rule: ruleNew, "lib/a.rego": "new\n"}), files{rule: replacing(ruleNew, ruleNew)}, nil},
		"layer: no more of the base":  {files{"settings.yaml": "s\n"}, files{rule: ruleOld}, whole(files{rule: ruleNew}), files{"settings.yaml": "s\n"}, nil},
		"a base with names like that": {whole(nil), whole(files{"../../etc/passwd": "x\n", "/etc/passwd": "x\n"}), whole(nil), whole(nil), nil},
	} {
		t.Run(name, func(t *testing.T) {
			mine, builtin := filesOf(c.mine), filesOf(c.builtin)
			u, err := PlanUpgrade(mine, Base{Files: filesOf(c.base).Files}, builtin, "v2", false)
			if err != nil {
				t.Fatal(err)
			}
			after := applied(mine, u)
			if d := cmp.Diff(filesOf(c.want), after); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if d := cmp.Diff(c.said, said(u)); d != "" {
				t.Errorf("said: -want +got\n%s", d)
			}
			again, err := PlanUpgrade(after, u.Base, builtin, "v2", false)
			if err != nil || len(again.Change) > 0 || !slices.Equal(again.Unfinished(), withoutBase(u)) {
				t.Errorf("again: %v, %v", said(again), err)
			}
		})
	}
}

func withoutBase(u Upgrade) (files []string) {
	for _, s := range u.Steps {
		if s.Did == DidNotKnow {
			files = append(files, s.File)
		}
	}
	return files
}

// TestUpgradeLosesNothing: with any versions of files, an edit stays, a second upgrade changes
// nothing, and what differs from the built-in files is said or was there before.
func TestUpgradeLosesNothing(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"main.rego", "lib/a.rego", rule, test, book, "invariants/other/other.rego"}
	versions := []string{"", ruleOld, ruleNew, strings.Replace(ruleOld, "page", "ticket", 1), "own\n"}
	some := func() map[string]string {
		files := map[string]string{}
		for _, name := range names {
			if text := versions[r.IntN(len(versions))]; text != "" {
				files[name] = text
			}
		}
		return files
	}
	for i := 0; i < 5_000 && !t.Failed(); i++ {
		mineFiles, baseFiles, builtinFiles := some(), some(), some()
		builtinFiles["main.rego"], baseFiles["main.rego"] = "m\n", "m\n"
		mine, base, builtin := filesOf(mineFiles), Base{Files: filesOf(baseFiles).Files}, filesOf(builtinFiles)
		u, err := PlanUpgrade(mine, base, builtin, "v2", false)
		if err != nil {
			t.Fatal(err)
		}
		after := applied(mine, u)
		for name, text := range mineFiles {
			now := string(after.text(name))
			for line := range strings.Lines(text) {
				if !strings.Contains(now, line) && !strings.Contains(baseFiles[name], line) {
					t.Errorf("%s: the line %q of mine is lost", name, line)
				}
			}
			if !after.has(name) && baseFiles[name] != text {
				t.Errorf("%s: removed, and was edited", name)
			}
		}
		for name := range u.Change {
			if !slices.ContainsFunc(u.Steps, func(s UpgradeStep) bool { return s.File == name }) {
				t.Errorf("%s: changed in silence", name)
			}
		}
		again, err := PlanUpgrade(after, u.Base, builtin, "v2", false)
		if err != nil || len(again.Change) > 0 {
			t.Errorf("again: %v, %v", said(again), err)
		}
		if t.Failed() {
			t.Logf("mine %q\nbase %q\nbuilt in %q\nsaid %v", mineFiles, baseFiles, builtinFiles, said(u))
		}
	}
}

func TestUpgradeWithoutABase(t *testing.T) {
	t.Parallel()
	mine, now := filesOf(map[string]string{"main.rego": "m\n", rule: ruleOld}), filesOf(map[string]string{"main.rego": "m\n", rule: ruleNew, book: "b\n"})
	if _, err := PlanUpgrade(mine, Base{}, now, "v2", false); err == nil || !strings.HasPrefix(err.Error(), "p has no .base.txtar") {
		t.Errorf("got %v", err)
	}
	u, err := PlanUpgrade(mine, Base{}, now, "v2", true)
	if err != nil || len(u.Change) > 0 || len(u.Base.Files) != 3 {
		t.Errorf("adopted: %v, %v, %v", said(u), u.Base, err)
	}
	layer := filesOf(map[string]string{rule: replacing("mine\n"+ruleOld, "x")})
	u, err = PlanUpgrade(layer, Base{}, now, "v2", true)
	want := replacing("mine\n"+ruleOld, ruleNew)
	if d := cmp.Diff(map[string][]byte{rule: []byte(want)}, u.Change); d != "" || err != nil {
		t.Errorf("adopted by a layer: %v, -want +got\n%s", err, d)
	}
}

// TestUpgradeOfAnOldCopyWithANewRule: a copy without a base, to which policy new added one for a
// single invariant, still has none of the others.
func TestUpgradeOfAnOldCopyWithANewRule(t *testing.T) {
	t.Parallel()
	all := map[string]string{"main.rego": "m\n", rule: ruleNew, "invariants/removed/removed.rego": "r\n"}
	mine := filesOf(map[string]string{"main.rego": "m\n", rule: ruleNew})
	base := Base{Files: filesOf(map[string]string{rule: ruleNew}).Files}
	if u, err := PlanUpgrade(mine, base, filesOf(all), "v2", false); err == nil || !strings.HasPrefix(err.Error(), "p has no .base.txtar") {
		t.Errorf("got %v, %v; want no removed rule back", said(u), err)
	}
	if u, err := PlanUpgrade(mine, base, filesOf(all), "v2", true); err != nil || len(u.Change) > 0 {
		t.Errorf("adopted: %v, %v", said(u), err)
	}
}

// TestUpgradeAfterAWrongReplaces: once custom.replaces is corrected, the base is still there.
func TestUpgradeAfterAWrongReplaces(t *testing.T) {
	t.Parallel()
	now, base := filesOf(map[string]string{"main.rego": "m\n", rule: ruleNew}), Base{Files: filesOf(map[string]string{rule: ruleOld}).Files}
	mine := func(of string) Source { return filesOf(map[string]string{rule: replacing(ruleOld+"mine\n", of)}) }
	u, err := PlanUpgrade(mine("x"), base, now, "v2", false)
	if d := cmp.Diff([]string{"no base " + rule}, said(u)); d != "" || err != nil {
		t.Fatalf("%v, -want +got\n%s", err, d)
	}
	u, err = PlanUpgrade(mine(ruleOld), u.Base, now, "v2", false)
	if d := cmp.Diff([]string{"merged " + rule}, said(u)); d != "" || err != nil {
		t.Errorf("%v, -want +got\n%s", err, d)
	}
}

// TestUpgradeSaysWhatIsBelow: of the rules below a layer it says what has changed, and nothing
// of those that the layer replaces.
func TestUpgradeSaysWhatIsBelow(t *testing.T) {
	t.Parallel()
	const gone, fresh = "invariants/gone/gone.rego", "invariants/fresh/fresh.rego"
	edited := strings.Replace(ruleOld, "page", "ticket", 1)
	mine := filesOf(map[string]string{rule: replacing(edited, ruleOld)})
	was := filesOf(map[string]string{rule: ruleOld, gone: "g\n", "main.rego": "m\n", "lib/a.rego": "a\n"})
	now := filesOf(map[string]string{fresh: "f\n", "main.rego": "M\n", "lib/a.rego": "a\n"})
	base := Base{Files: []File{{Name: rule, Text: []byte(ruleOld)}}, Sums: SumsOf(was)}
	u, err := PlanUpgrade(mine, base, now, "v2", false)
	want := []string{"built-in " + fresh, "built-in " + gone, "kept " + rule, "built-in main.rego"}
	if d := cmp.Diff(want, said(u)); d != "" || err != nil {
		t.Errorf("%v, -want +got\n%s", err, d)
	}
	if u, err = PlanUpgrade(mine, u.Base, now, "v2", false); err != nil || len(u.Steps) > 0 {
		t.Errorf("again: %v, %v", said(u), err)
	}
}

// TestUpgradeOfMergedSettings: they are merged with the defaults, written as they are.
func TestUpgradeOfMergedSettings(t *testing.T) {
	t.Parallel()
	defaults, err := defaultSettings().YAML()
	if err != nil {
		t.Fatal(err)
	}
	older := bytes.Replace(defaults, []byte("settle: 2s"), []byte("settle: 1s"), 1)
	files := func(settings []byte) Source {
		return filesOf(map[string]string{"main.rego": "m\n", SettingsFile: string(settings)})
	}
	u, err := PlanUpgrade(files(older), Base{Merged: true, Files: files(older).Files}, files([]byte("# as it is built in\nsettings: {}\n")), "v2", false)
	if err != nil || !bytes.Equal(u.Change[SettingsFile], defaults) || !u.Base.Merged {
		t.Errorf("%v, %v: %s", err, said(u), u.Change[SettingsFile])
	}
}

// TestUpgradeOfAFixture: with rules that can be parsed, origins agree with the upgrade.
func TestUpgradeOfAFixture(t *testing.T) {
	t.Parallel()
	now := builtin()
	text := string(now.text(rule))
	was := strings.Replace(text, "not loaded", "was not loaded", 1)
	mine := OpenWithTests(fixture.Folder(map[string]string{rule: replacing(was, was)}), "p")
	base := Base{Files: []File{{Name: rule, Text: []byte(was)}}}
	since := func(s Source, b Base) Since {
		over := s.Over(now)
		return OriginsOf(over, over.declared(), b, now).ByID["loaded"].Since
	}
	if got := since(mine, base); got != SinceChanged {
		t.Errorf("before: %s", got)
	}
	u, err := PlanUpgrade(mine, base, now, "v2", false)
	if err != nil {
		t.Fatal(err)
	}
	if got := since(applied(mine, u), u.Base); got != SinceUnchanged {
		t.Errorf("after: %s, %v", got, fmt.Sprint(said(u)))
	}
}
