// Package config reads config.yaml: how the program runs on this machine. What
// rules decide by stands in the policy folder's settings, not here.
//
// Start at [Read].
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"stackpolicy/alerts/notify"
	"stackpolicy/internal/glob"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/strictyaml"
)

// maxSize bounds the file: a configuration is a few KiB.
const maxSize = 1 << 20

// Modes of an audit.
const (
	Observe = "observe"
	Enforce = "enforce"
)

// Config is the whole file. Its zero value, with Mode [Observe], is what no
// file at all means.
type Config struct {
	// Units are managed besides what Home Manager declares: systemctl's glob
	// patterns of unit names.
	Units []string `yaml:"units"`
	// Mode is observe (default) or enforce.
	Mode string `yaml:"mode"`
	// Policies is a folder that replaces the built-in policies; "" is those.
	Policies string `yaml:"policies"`
	// Stacks by name.
	Stacks map[string]Stack `yaml:"stacks"`
	// Alerts say who is sent findings.
	Alerts notify.Config `yaml:"alerts"`
}

// Path is where the file stands below configHome ($XDG_CONFIG_HOME).
func Path(configHome string) string {
	return filepath.Join(configHome, "stackpolicy", "config.yaml")
}

// Read reads the file at path. Without a file it returns the default
// configuration; a link to nothing is an error. An error names the file and,
// where there is one, the line and the key.
func Read(path string) (Config, error) {
	content, err := regularfile.Read(path, maxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{Mode: Observe}, nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	c, err := parse(content)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func parse(content []byte) (Config, error) {
	c := Config{}
	if _, err := strictyaml.Decode(content, &c); err != nil {
		return c, err
	}
	c.setDefaults()
	return c, c.check()
}

func (c *Config) setDefaults() {
	if c.Mode == "" {
		c.Mode = Observe
	}
	for name, s := range c.Stacks {
		c.Stacks[name] = s.withDefaults(name)
	}
}

func (c *Config) check() error {
	var errs []error
	if c.Mode != Observe && c.Mode != Enforce {
		errs = append(errs, fmt.Errorf("mode: %q is neither %s nor %s", c.Mode, Observe, Enforce))
	}
	for _, p := range c.Units {
		if !glob.Valid(p) || !patternOfUnit(p) {
			errs = append(errs, fmt.Errorf("units: %q is no pattern of unit names; write one such as homelab-*.service", p))
		}
	}
	errs = append(errs, checkStacks(c.Stacks)...)
	return errors.Join(append(errs, c.Alerts.Check()...)...)
}

// patternOfUnit: a pattern without a suffix would match nothing, silently.
func patternOfUnit(p string) bool {
	return strings.Contains(p, ".") && !strings.Contains(p, "/") || strings.HasSuffix(p, "*")
}
