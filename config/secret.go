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
	File       string // absolute path of a file that its owner alone may read
	Credential string // name below $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential=)
}

// URL is where a webhook listens. Some services take whoever knows the URL:
// theirs is a secret.
type URL struct {
	Text   string
	Secret *Secret
}

// UnmarshalYAML reads a mapping with one of file and credential.
func (s *Secret) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a secret does not stand here; name where it does: {file: PATH} or {credential: NAME}", node.Line)
	}
	var values map[string]string
	if err := node.Decode(&values); err != nil {
		return err
	}
	for key, value := range values {
		switch key {
		case "file":
			s.File = value
		case "credential":
			s.Credential = value
		default:
			return fmt.Errorf("line %d: unknown key %s; the keys here are: file, credential", node.Line, key)
		}
	}
	return nil
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
