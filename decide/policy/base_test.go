package policy

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackpolicy/policies"
)

func writeBase(t *testing.T, dir string, b Base) {
	t.Helper()
	f, err := b.File()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, f.Name), f.Text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBaseKeepsTheBuiltin: each built-in file can be kept, to the byte.
func TestBaseKeepsTheBuiltin(t *testing.T) {
	t.Parallel()
	builtin := OpenWithTests(policies.FS, "")
	merged, err := Base{}.OfMerged(builtin, builtin)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Base{
		"a copy": BaseOf(builtin), "merged": merged, "a layer": {Sums: SumsOf(builtin)}, "nothing": {},
	} {
		dir := t.TempDir()
		writeBase(t, dir, want)
		got, err := ReadBase(dir)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v, -want +got\n%s", name, err, d)
		}
		if s := OpenWithTests(os.DirFS(dir), ""); len(s.Files)+len(s.Problems) > 0 {
			t.Errorf("%s: it is a part of the policies: %v %v", name, s.Files, s.Problems)
		}
	}
	if len(merged.Files) != len(builtin.Files) || !merged.Merged {
		t.Errorf("merged: %d files of %d", len(merged.Files), len(builtin.Files))
	}
}

func TestBaseRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"no end": "a", "a mark of the form": "a\n-- b --\n", "too large": strings.Repeat("a\n", maxBase)} {
		if f, err := (Base{Files: []File{{Name: "a", Text: []byte(text)}}}).File(); err == nil {
			t.Errorf("%s: kept as %.100q", name, f.Text)
		}
	}
	dir := t.TempDir()
	if b, err := ReadBase(dir); err != nil || len(b.Files) > 0 || b.Sums != nil {
		t.Errorf("no base: %v, %v", b, err)
	}
	path := filepath.Join(dir, BaseFile)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadBase(dir); err == nil {
		t.Error("a FIFO is read")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxBase+1); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadBase(dir); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a large one: %v", err)
	}
}

func TestAMarkIsRefused(t *testing.T) {
	t.Parallel()
	const conflict = "<<<<<<< mine\na\n=======\nb\n>>>>>>> built in v2\n"
	for file, text := range map[string]string{
		"invariants/loaded/loaded.rego": string(builtin().text("invariants/loaded/loaded.rego")) + conflict,
		"invariants/loaded/loaded.md":   string(builtin().text("invariants/loaded/loaded.md")) + conflict,
		"settings.yaml":                 conflict,
		"main.rego":                     "package stackpolicy\n" + conflict,
	} {
		err := Parse(layer(map[string]string{file: text}).Over(builtin())).Refusal.Err()
		if err == nil || !strings.Contains(err.Error(), "p/"+file+":") || !strings.Contains(err.Error(), "is the mark of a conflict of a merge; choose between the two versions") {
			t.Errorf("%s: %v", file, err)
		}
		if file == "settings.yaml" && strings.Contains(err.Error(), "could not find") {
			t.Errorf("it is said twice: %v", err)
		}
	}
}

// TestOriginsWithABase: what the folder was made from says what became of it.
func TestOriginsWithABase(t *testing.T) {
	t.Parallel()
	const file = "invariants/loaded/loaded.rego"
	now := string(builtin().text(file))
	was := strings.Replace(now, "not loaded", "was not loaded", 1)
	edited := strings.Replace(was, "title:", "title: mine,", 1)
	sums := func(rule string) Base {
		b := Base{Sums: SumsOf(builtin())}
		if b.Sums[file] = RuleDigest([]byte(rule)); rule == "" {
			delete(b.Sums, file)
		}
		return b
	}
	base := func(rule string) Base { return Base{Files: []File{{Name: file, Text: []byte(rule)}}} }
	alone := func(rule string) map[string]string {
		return map[string]string{"main.rego": "package stackpolicy\n", file: rule, "invariants/loaded/loaded.md": string(builtin().text("invariants/loaded/loaded.md"))}
	}
	over := func(rule string) map[string]string {
		files := alone(rule)
		delete(files, "main.rego")
		return files
	}
	settings := map[string]string{"settings.yaml": "settings: {}\n"}
	for name, c := range map[string]struct {
		folder map[string]string
		base   Base
		want   Origin
		note   string // a part of the only note
	}{
		"a copy, the same":            {alone(now), base(now), Origin{From: FromBuiltin}, ""},
		"an older copy":               {alone(was), base(was), Origin{FromBuiltin, SinceChanged}, "1 rule is an older version of the built-in one; take the newer: stackpolicy policy upgrade: loaded"},
		"an older copy, edited":       {alone(edited), base(was), Origin{FromReplaced, SinceChanged}, file + ": the built-in rule has changed since it was replaced; merge its changes: stackpolicy policy upgrade"},
		"an edited copy":              {alone(edited), base(now), Origin{FromReplaced, SinceUnchanged}, ""},
		"replaced, changed":           {over(edited), base(was), Origin{FromReplaced, SinceChanged}, "merge its changes: stackpolicy policy upgrade"},
		"replaced, the same":          {over(edited), base(now), Origin{FromReplaced, SinceUnchanged}, ""},
		"below a layer, the same":     {settings, sums(now), Origin{From: FromBuiltin}, ""},
		"below a layer, changed":      {settings, sums(was), Origin{FromBuiltin, SinceChanged}, "stackpolicy policy upgrade: " + file + " (changed)"},
		"below a layer, new":          {settings, sums(""), Origin{FromBuiltin, SinceNew}, "stackpolicy policy upgrade: " + file + " (new)"},
		"below a layer, nothing said": {settings, Base{}, Origin{From: FromBuiltin}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			source := layer(c.folder).Over(builtin())
			o := OriginsOf(source, source.declared(), c.base, builtin())
			if got := o.ByID["loaded"]; got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			notes := strings.Join(o.Notes(), "\n")
			if (notes == "") != (c.note == "") || !strings.Contains(notes, c.note) || strings.Contains(notes, "\n") {
				t.Errorf("notes %q, want %q", notes, c.note)
			}
		})
	}
	b := sums(now)
	b.Sums["invariants/gone/gone.rego"], b.Sums["lib/help.rego"] = RuleDigest(nil), RuleDigest(nil)
	source := layer(settings).Over(builtin())
	notes := OriginsOf(source, source.declared(), b, builtin()).Notes()
	if len(notes) != 1 || !strings.HasSuffix(notes[0], ": invariants/gone/gone.rego (removed), lib/help.rego (changed)") {
		t.Errorf("removed: %q", notes)
	}
}
