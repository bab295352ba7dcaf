package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"stackpolicy/internal/lazyregexp"
)

// Fleet is what an operator may choose about the fleet that the account belongs to.
type Fleet struct {
	// Channel is the channel of releases that the rules come from; "" takes no releases.
	Channel string `yaml:"channel"`
	// Labels say in which stages of a release this account is, such as role: canary.
	Labels map[string]string `yaml:"labels"`
	// Registry is an OCI reference to take releases from instead of the hub, such as
	// registry.example.org/rules/home; "" takes them from the hub.
	Registry string `yaml:"registry"`
}

var (
	channelName = lazyregexp.New(`^[a-z][a-z0-9-]{0,31}$`)
	labelText   = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
)

// maxLabels bounds the labels of an account, and maxReference the bytes of a reference.
const (
	maxLabels    = 20
	maxReference = 300
)

func (f Fleet) check() (errs []error) {
	if f.Channel != "" && !channelName.Get().MatchString(f.Channel) {
		errs = append(errs, fmt.Errorf("fleet.channel: %q is no channel; use small letters, digits and -, such as stable", f.Channel))
	}
	if len(f.Labels) > maxLabels {
		errs = append(errs, fmt.Errorf("fleet.labels: %d of them, want at most %d", len(f.Labels), maxLabels))
	}
	for _, key := range slices.Sorted(maps.Keys(f.Labels)) {
		if value := f.Labels[key]; !labelText.Get().MatchString(key) || !labelText.Get().MatchString(value) {
			errs = append(errs, fmt.Errorf("fleet.labels.%s: %q is no label; use letters, digits, dots, _ and -, such as role: canary", key, value))
		}
	}
	if r := f.Registry; r != "" && (!strings.Contains(r, "/") || strings.Contains(r, "://") || strings.ContainsFunc(r, isBlank) || len(r) > maxReference) {
		errs = append(errs, fmt.Errorf("fleet.registry: %q is no reference; write one such as registry.example.org/rules/home", r))
	}
	return errs
}

func isBlank(r rune) bool { return r <= ' ' || r == 0x7f }
