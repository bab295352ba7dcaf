// Package config reads config.yaml: how the program runs on this machine. The settings of
// rules are in the policy folder, not here.
//
// Start at [Read].
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"stackpolicy/internal/glob"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/strictyaml"
	"stackpolicy/notify"
)

// maxSize bounds the file: a configuration is a few KiB.
const maxSize = 1 << 20

// Modes of an audit.
const (
	Observe = "observe"
	Enforce = "enforce"
)

// Config is the whole file. Without a file it is the zero value with Mode [Observe].
type Config struct {
	// Units are managed, besides those that Home Manager declares: systemctl's glob
	// patterns of unit names.
	Units []string `yaml:"units"`
	// Mode is observe (default) or enforce.
	Mode string `yaml:"mode"`
	// Policies is a folder that replaces the built-in policies; "" means the built-in ones.
	Policies string `yaml:"policies"`
	// Stacks by name.
	Stacks map[string]Stack `yaml:"stacks"`
	// Holds are units under planned maintenance.
	Holds []Hold `yaml:"holds"`
	// Alerts has the sinks that findings are sent to.
	Alerts notify.Config `yaml:"alerts"`
	// Fleet is about the fleet that the account belongs to.
	Fleet Fleet `yaml:"fleet"`
}

// Path returns the path of the file below configHome ($XDG_CONFIG_HOME).
func Path(configHome string) string {
	return filepath.Join(configHome, "stackpolicy", "config.yaml")
}

// Read reads the file at path. Without a file it returns the default configuration; a
// dangling link is an error. Errors name the file and, if possible, the line and the key.
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
	c.Policies = regularfile.InHome(c.Policies)
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
	errs = append(errs, checkHolds(c.Holds)...)
	errs = append(errs, c.Fleet.check()...)
	return errors.Join(append(errs, c.Alerts.Check()...)...)
}

// patternOfUnit: a pattern without a suffix would silently match nothing.
func patternOfUnit(p string) bool {
	return strings.Contains(p, ".") && !strings.Contains(p, "/") || strings.HasSuffix(p, "*")
}
