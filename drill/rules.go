package drill

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"stackpolicy/config"
	"stackpolicy/internal/glob"
	"stackpolicy/internal/regularfile"
)

// Bounds on what is copied of the operator's rules and facts.
const (
	maxRules      = 3000     // files
	maxRulesBytes = 32 << 20 // in all
	maxRuleFile   = 4 << 20
	maxDepth      = 20 // folders
	maxOwnFacts   = 100
	maxOwnFact    = 64 << 10
)

// rules are the operator's: those of a policy folder, or the built-in ones if it is "".
type rules struct {
	source string
	files  map[string][]byte // by path below the policy folder
	facts  map[string][]byte // by name in facts.d
	units  []string          // patterns of config.yaml that are used
	drift  int               // of settings.yaml; 0: not set
	notes  []string
}

// readRules reads the policy folder and, below configHome, facts.d.
func readRules(folder, configHome string, c config.Config) (rules, error) {
	r := rules{source: folder, files: map[string][]byte{}, facts: map[string][]byte{}}
	if folder != "" {
		total := int64(0)
		if err := r.readFolder(folder, "", 0, &total); err != nil {
			return r, fmt.Errorf("copy the rules of %s: %w", folder, err)
		}
	}
	if err := r.readFacts(filepath.Join(configHome, "stackpolicy", "facts.d")); err != nil {
		return r, fmt.Errorf("copy the local facts: %w", err)
	}
	r.note(c)
	return r, nil
}

// readFolder reads a folder, also through links, as Home Manager makes them.
func (r *rules) readFolder(folder, below string, depth int, total *int64) error {
	entries, err := os.ReadDir(filepath.Join(folder, below))
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("%s is more than %d folders deep", below, maxDepth)
	}
	for _, e := range entries {
		name := filepath.Join(below, e.Name())
		info, err := os.Stat(filepath.Join(folder, name))
		switch {
		case err != nil:
			return err
		case info.IsDir() && strings.HasPrefix(e.Name(), "."): // as that of git
			continue
		case info.IsDir():
			err = r.readFolder(folder, name, depth+1, total)
		case len(r.files) >= maxRules:
			err = fmt.Errorf("more than %d files", maxRules)
		default:
			r.files[name], err = regularfile.Read(filepath.Join(folder, name), maxRuleFile)
			*total += int64(len(r.files[name]))
		}
		if err != nil {
			return err
		}
		if *total > maxRulesBytes {
			return fmt.Errorf("more than %d MiB", maxRulesBytes>>20)
		}
	}
	return nil
}

func (r *rules) readFacts(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		if len(r.facts) >= maxOwnFacts {
			return fmt.Errorf("more than %d files in %s", maxOwnFacts, folder)
		}
		if r.facts[e.Name()], err = regularfile.Read(filepath.Join(folder, e.Name()), maxOwnFact); err != nil {
			return err
		}
	}
	return nil
}

// settings are the parts of settings.yaml that name units.
type settings struct {
	Settings struct {
		Restart []string                   `yaml:"restart"`
		Waivers []struct{ Units []string } `yaml:"waivers"`
		Decide  []struct{ Units []string } `yaml:"decide"`
		Repeat  struct{ Drift int }        `yaml:"repeat"`
	} `yaml:"settings"`
}

// note says what is used of this machine, and which settings name nothing that the drill has.
func (r *rules) note(c config.Config) {
	if len(r.facts) > 0 {
		r.notes = append(r.notes, fmt.Sprintf("copied %d files of facts.d", len(r.facts)))
	}
	var s settings
	if err := yaml.Unmarshal(r.files["settings.yaml"], &s); err != nil {
		r.notes = append(r.notes, "settings.yaml: "+err.Error())
	}
	r.drift = s.Settings.Repeat.Drift
	for _, p := range c.Units {
		if matchesAny(p) {
			r.units = append(r.units, p)
			continue
		}
		r.notes = append(r.notes, fmt.Sprintf("config.yaml: units: %s: the drill has no such unit", p))
	}
	r.noteIdle("restart", s.Settings.Restart)
	for _, w := range s.Settings.Waivers {
		r.noteIdle("waivers", w.Units)
	}
	for _, d := range s.Settings.Decide {
		r.noteIdle("decide", d.Units)
	}
	for what, n := range map[string]int{"stacks": len(c.Stacks), "holds": len(c.Holds)} {
		if n > 0 {
			r.notes = append(r.notes, fmt.Sprintf("config.yaml: %s: not used, as they are about your own units", what))
		}
	}
}

func (r *rules) noteIdle(setting string, patterns []string) {
	for _, p := range patterns {
		if p != "host" && !matchesAny(p) {
			r.notes = append(r.notes, fmt.Sprintf("settings.yaml: %s: %s: the drill has no such unit", setting, p))
		}
	}
}

func matchesAny(pattern string) bool {
	for _, unit := range managed {
		if glob.Match(pattern, unit) {
			return true
		}
	}
	return false
}

// repeats is how often a finding is healed until that is a finding of its own.
func (r rules) repeats() int {
	if r.drift <= 0 {
		return 3
	}
	return min(r.drift, 6)
}

// folder is where the rules are in the scene.
func (r rules) folder(s *stage) string { return filepath.Join(s.Home, "rules") }

// config returns the text of config.yaml: the sample stacks, and the operator's rules. web is
// more of the stack web.
func (r rules) config(web string) string {
	text := "stacks:\n  web: {" + web + "}\n  files: {}\n  feeds: {}\n"
	if r.source != "" {
		text += policies
	}
	if len(r.units) > 0 {
		list, _ := yaml.Marshal(map[string][]string{"units": r.units})
		text += string(list)
	}
	return text
}

// policies is the line of config.yaml that names the rules of the scene.
const policies = "policies: ~/rules\n"

// configOfFolder is config for the rules of the scene's folder, also if the operator has none.
func (r rules) configOfFolder() string {
	r.source = cmp.Or(r.source, "rules")
	return r.config("")
}

// withExpiredWaiver returns settings.yaml with one more waiver, which has expired.
func (r rules) withExpiredWaiver() (string, error) {
	document := map[string]any{}
	if err := yaml.Unmarshal(r.files["settings.yaml"], &document); err != nil {
		return "", fmt.Errorf("read settings.yaml: %w", err)
	}
	settings, _ := document["settings"].(map[string]any)
	if settings == nil {
		settings = map[string]any{}
	}
	waivers, _ := settings["waivers"].([]any)
	settings["waivers"] = append(waivers, map[string]any{
		"invariant": "verify_gate_present", "units": []string{"web.service"}, "reason": "drill", "owner": "drill", "until": "2026-01-01T00:00:00Z",
	})
	document["settings"] = settings
	text, err := yaml.Marshal(document)
	return string(text), err
}

// write writes the rules and the local facts into the scene.
func (r rules) write(s *stage) error {
	for name, content := range r.files {
		if err := s.Write(filepath.Join(r.folder(s), name), string(content)); err != nil {
			return err
		}
	}
	for name, content := range r.facts {
		if err := s.Write(filepath.Join(s.Home, ".config/stackpolicy/facts.d", name), string(content)); err != nil {
			return err
		}
	}
	return nil
}
