package alerts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"stackpolicy/config"
	"stackpolicy/internal/regularfile"
)

// maxSecret bounds a secret: tokens are some hundred bytes.
const maxSecret = 16 << 10

// secrets reads what the configuration names, at the time it is needed, so that
// one that was replaced is used at once.
type secrets struct {
	folder string // $CREDENTIALS_DIRECTORY; "" without credentials
}

// read returns a secret without the line break at its end. No error holds any
// of it.
func (s secrets) read(from config.Secret) (string, error) {
	path, private := from.File, true
	if from.Credential != "" {
		if s.folder == "" {
			return "", fmt.Errorf("the credential %s: the unit has none; it wants LoadCredential=%s:PATH", from.Credential, from.Credential)
		}
		// systemd keeps others out by the folder; the file of a system service
		// shows an access list's mask as the group's bits.
		path, private = filepath.Join(s.folder, from.Credential), false
	}
	content, err := readSecret(path, private)
	if err != nil {
		return "", fmt.Errorf("read the secret %s: %w", path, withoutPath(err))
	}
	secret := strings.TrimRight(string(content), "\r\n")
	if secret == "" || strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("read the secret %s: it is empty or more than one line", path)
	}
	return secret, nil
}

// readSecret reads a file, which nobody but its owner may read if it is private.
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

// withoutPath is what went wrong with a file that is named already.
func withoutPath(err error) error {
	var on *os.PathError
	if errors.As(err, &on) {
		return on.Err
	}
	return err
}
