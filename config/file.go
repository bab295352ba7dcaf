package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"

	"stackpolicy/internal/agenix"
	"stackpolicy/internal/regularfile"
)

// File is a file that a stack needs. In YAML the path alone is enough.
type File struct {
	Path  string `yaml:"path"`
	Mode  Mode   `yaml:"mode"`  // permission bits that it may have at most; 0 is any, for a secret 0600
	Owner string `yaml:"owner"` // user name or uid; "" is the user or root
}

// Mode is a file's permission bits. In YAML they are octal digits.
type Mode fs.FileMode

// UnmarshalYAML reads a path, or a mapping of path, mode and owner. A path may be agenix's.
func (f *File) UnmarshalYAML(node *yaml.Node) error {
	type plain File
	var err error
	if node.Kind == yaml.ScalarNode {
		err = node.Decode(&f.Path)
	} else {
		err = node.Decode((*plain)(f))
	}
	f.Path = agenix.Path(regularfile.InHome(f.Path))
	return err
}

// UnmarshalYAML reads octal digits, with quotes or without.
func (m *Mode) UnmarshalYAML(node *yaml.Node) error {
	bits, err := strconv.ParseUint(node.Value, 8, 32)
	if err != nil || bits == 0 || bits > 0o777 {
		return fmt.Errorf("line %d: mode %q is not an octal file mode; want for example \"0600\"", node.Line, node.Value)
	}
	*m = Mode(bits)
	return nil
}

// secretMode is the widest mode of a secret, where the configuration names none.
const secretMode = 0o600

// AsSecret returns the file with the widest mode that a secret may have, unless the
// configuration names one.
func (f File) AsSecret() File {
	if f.Mode == 0 {
		f.Mode = secretMode
	}
	return f
}

// ErrTooOpen is the error for a file that others than its owner may use.
var ErrTooOpen = errors.New("may be used by others")

// Check returns nil for a regular file that this account, the user with the given uid
// and name, can read, and that is open to nobody else beyond its mode. The error is what
// follows the file's name in a sentence: "is missing".
func (f File) Check(uid int, name string) error {
	info, err := os.Stat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("is missing")
	case err != nil:
		return fmt.Errorf("cannot be looked at: %w", err)
	case !info.Mode().IsRegular():
		return errors.New("is no regular file")
	case unix.Faccessat(unix.AT_FDCWD, f.Path, unix.R_OK, unix.AT_EACCESS) != nil:
		return errors.New("may not be read by this account")
	case f.Mode != 0 && Mode(info.Mode().Perm())&^f.Mode != 0:
		return fmt.Errorf("%w: its mode is %04o, want at most %04o", ErrTooOpen, info.Mode().Perm(), f.Mode)
	}
	return ownedBy(f.Owner, info, uid, name)
}

func ownedBy(owner string, info fs.FileInfo, account int, name string) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("has an owner that cannot be determined")
	}
	uid := int(stat.Uid)
	if owner == "" {
		if uid == account || uid == 0 {
			return nil
		}
		return fmt.Errorf("belongs to uid %d, want %s or root", uid, name)
	}
	want, err := uidOf(owner)
	if err != nil {
		return err
	}
	if uid != want {
		return fmt.Errorf("belongs to uid %d, want %s (uid %d)", uid, owner, want)
	}
	return nil
}

func uidOf(owner string) (int, error) {
	if uid, err := strconv.Atoi(owner); err == nil {
		return uid, nil
	}
	u, err := user.Lookup(owner)
	if err != nil {
		return 0, fmt.Errorf("should belong to %s: %w", owner, err)
	}
	return strconv.Atoi(u.Uid)
}
