package notify

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"stackpolicy/internal/agenix"
	"stackpolicy/internal/lazyregexp"
	"stackpolicy/internal/regularfile"
)

// Secret says where a secret is. The configuration itself contains no secrets.
// Exactly one of the two fields is set.
type Secret struct {
	File       string `yaml:"file"`       // path of a file that only its owner may read: absolute, or ~/…
	Credential string `yaml:"credential"` // name below $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential=)
}

// URL is the address of a webhook. It is a secret if the service accepts
// everyone who knows it.
type URL struct {
	Text   string  `yaml:"-"`
	Secret *Secret `yaml:",inline"`
}

// UnmarshalYAML reads a mapping with one of file and credential. The file may be agenix's.
func (s *Secret) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: the configuration takes no secret; name its file or its credential: {file: PATH} or {credential: NAME}", node.Line)
	}
	type plain Secret
	err := node.Decode((*plain)(s))
	s.File = agenix.Path(regularfile.InHome(s.File))
	return err
}

// UnmarshalYAML reads the URL itself, or where it is.
func (u *URL) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&u.Text)
	}
	return node.Decode(&u.Secret)
}

// credentialName is a name that systemd accepts (credential_name_valid() of
// systemd).
var credentialName = lazyregexp.New(`^[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,254}$`)

// check returns what is wrong with a secret, with the given key in front. nil, no
// secret, is correct.
func (s *Secret) check(key string) []error {
	switch {
	case s == nil:
	case (s.File == "") == (s.Credential == ""):
		return []error{fmt.Errorf("%s: name one of file and credential", key)}
	case s.File != "" && (!filepath.IsAbs(s.File) || strings.ContainsRune(s.File, 0)):
		return []error{fmt.Errorf("%s.file: %q is not an absolute path", key, s.File)}
	case s.Credential != "" && !credentialName.Get().MatchString(s.Credential):
		return []error{fmt.Errorf("%s.credential: %q is not a name of a credential", key, s.Credential)}
	}
	return nil
}

// check returns what is wrong with a webhook's URL. A URL in a file is checked when
// the file is read.
func (u URL) check(secret bool) []error {
	if u.Secret != nil {
		return u.Secret.check(".url")
	}
	if err := checkURL(u.Text, secret); err != nil {
		return []error{fmt.Errorf(".url: %w", err)}
	}
	return nil
}

// isLoopback reports whether the host is this machine.
func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// checkURL returns what is wrong with the URL of a sink, without repeating the
// URL: it may be a secret. Over plain http a secret may only go to this machine.
func checkURL(text string, secret bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return errors.New("not a URL such as https://host/path")
	case u.User != nil:
		return errors.New("it holds a user or password; name the secret's file under password or token")
	case secret && u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("a secret over plain http can be read on the way; use https")
	}
	return nil
}

// maxSecret bounds a secret: tokens are some hundred bytes.
const maxSecret = 16 << 10

// secrets reads a secret each time it is needed, so that a new one is used at once.
type secrets struct {
	folder string // $CREDENTIALS_DIRECTORY; "" without credentials
}

// readIf returns "" if there is no secret to read.
func (s secrets) readIf(from *Secret) (string, error) {
	if from == nil {
		return "", nil
	}
	return s.read(*from)
}

// read returns a secret without the line break at its end. Errors contain no part
// of it.
func (s secrets) read(from Secret) (string, error) {
	path, private := from.File, true
	if from.Credential != "" {
		if s.folder == "" {
			return "", notLoaded(from.Credential)
		}
		// systemd protects credentials by their folder. In a system service the
		// file's group bits are the mask of an access list.
		path, private = filepath.Join(s.folder, from.Credential), false
	}
	content, err := readSecret(path, private)
	if !private && errors.Is(err, fs.ErrNotExist) {
		return "", notLoaded(from.Credential)
	}
	if err != nil {
		return "", fmt.Errorf("read the secret %s: %w", path, withoutPath(err))
	}
	secret := strings.TrimRight(string(content), "\r\n")
	if secret == "" || strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("read the secret %s: it is empty or more than one line", path)
	}
	return secret, nil
}

// notLoaded returns the error for a credential that systemd has not loaded, with the unit
// that has to load it.
func notLoaded(name string) error {
	return fmt.Errorf("the credential %s is not loaded: write LoadCredential=%s:PATH below [Service] of stackpolicy-alerts.service", name, name)
}

// readSecret reads a file. If it is private, nobody but its owner may read it.
func readSecret(path string, private bool) ([]byte, error) {
	f, err := regularfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); private && mode&0o077 != 0 {
		return nil, fmt.Errorf("others may read it (mode %04o); make it 0600", mode)
	}
	return regularfile.ReadAll(f, maxSecret)
}

// withoutPath returns the error without the path, which the message already has.
func withoutPath(err error) error {
	var on *os.PathError
	if errors.As(err, &on) {
		return on.Err
	}
	return err
}
