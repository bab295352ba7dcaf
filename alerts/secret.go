package alerts

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"stackpolicy/config"
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

// readSecret reads a regular file, which nobody but its owner may read where it
// is to be private. A pipe put in its place does not hold it up.
func readSecret(path string, private bool) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case private && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("others may read it (mode %04o); make it 0600", info.Mode().Perm())
	}
	content, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(content) > maxSecret {
		err = fmt.Errorf("larger than %d KiB", maxSecret>>10)
	}
	return content, err
}

// withoutPath is what went wrong with a file that is named already.
func withoutPath(err error) error {
	var on *os.PathError
	if errors.As(err, &on) {
		return on.Err
	}
	return err
}
