package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"stackpolicy/internal/lazyregexp"

	"go.yaml.in/yaml/v3"
)

// Secret says where a secret stands; the configuration itself holds none.
// One of the two is set.
type Secret struct {
	File       string `yaml:"file"`       // absolute path of a file that only its owner may read
	Credential string `yaml:"credential"` // name below $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential=)
}

// URL is where a webhook listens. Some services take whoever knows the URL:
// theirs is a secret.
type URL struct {
	Text   string  `yaml:"-"`
	Secret *Secret `yaml:",inline"`
}

// UnmarshalYAML reads a mapping with one of file and credential.
func (s *Secret) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a secret does not stand here; name where it does: {file: PATH} or {credential: NAME}", node.Line)
	}
	type plain Secret
	return node.Decode((*plain)(s))
}

// UnmarshalYAML reads the URL itself, or where it stands.
func (u *URL) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&u.Text)
	}
	return node.Decode(&u.Secret)
}

// credentialName is what systemd takes for one: a file name that is not too
// long (credential_name_valid() of systemd).
var credentialName = lazyregexp.New(`^[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,254}$`)

// check says what is wrong with a secret, below the given key; no secret is
// fine.
func (s *Secret) check(key string) []error {
	switch {
	case s == nil:
	case (s.File == "") == (s.Credential == ""):
		return []error{fmt.Errorf("%s: name one of file and credential", key)}
	case s.File != "" && (!filepath.IsAbs(s.File) || strings.ContainsRune(s.File, 0)):
		return []error{fmt.Errorf("%s.file: %q is not an absolute path", key, s.File)}
	case s.Credential != "" && !credentialName.Get().MatchString(s.Credential):
		return []error{fmt.Errorf("%s.credential: %q is no name of a credential", key, s.Credential)}
	}
	return nil
}

// check says what is wrong with a webhook's URL. One that stands elsewhere is
// looked at when it is read.
func (u URL) check(secret bool) []error {
	if u.Secret != nil {
		return u.Secret.check(".url")
	}
	if err := CheckURL(u.Text, secret); err != nil {
		return []error{fmt.Errorf(".url: %w", err)}
	}
	return nil
}

// loopback: what is sent there does not leave the machine.
func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}
