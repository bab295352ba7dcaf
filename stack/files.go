package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"stackpolicy/config"
	"stackpolicy/internal/compose"
)

// secretMode is the widest mode of a secret, where the configuration names none.
const secretMode = 0o600

// account is who has to be able to read a stack's files.
type account struct {
	uid  int
	name string
}

// configured returns the problems of the files that the configuration names.
func (a account) configured(s Stack) (problems []Problem) {
	for _, f := range s.EnvFiles {
		problems = a.check(problems, BadEnv, "env file", f)
	}
	for _, f := range s.Secrets {
		if f.Mode == 0 {
			f.Mode = secretMode
		}
		problems = a.check(problems, BadSecret, "secret", f)
	}
	return problems
}

// composed returns the problems of the files that the compose files name.
func (a account) composed(project *compose.Project, s Stack) (problems []Problem) {
	for _, f := range project.EnvFiles {
		what := fmt.Sprintf("env file of service %s", f.Service)
		if _, err := os.Stat(f.Path); errors.Is(err, fs.ErrNotExist) && !f.Required {
			continue
		}
		problems = a.check(problems, BadEnv, what, config.File{Path: f.Path})
	}
	for _, f := range project.Secrets {
		if !isConfigured(s.Secrets, f.Path) {
			problems = a.check(problems, BadSecret, "file of secret or config "+f.Name, config.File{Path: f.Path})
		}
	}
	return problems
}

func isConfigured(files []config.File, path string) bool {
	for _, f := range files {
		if f.Path == path {
			return true
		}
	}
	return false
}

func (a account) check(problems []Problem, outcome Outcome, what string, f config.File) []Problem {
	if err := a.usable(f); err != nil {
		return append(problems, Problem{
			Outcome: outcome, Message: fmt.Sprintf("%s %s %s", what, f.Path, err), Hint: hintFor(err, f),
		})
	}
	return problems
}

func hintFor(err error, f config.File) string {
	if errors.Is(err, errTooOpen) {
		return fmt.Sprintf("chmod %04o %s", f.Mode, f.Path)
	}
	return "put the file in order and apply again"
}

var errTooOpen = errors.New("may be used by others")

// usable returns nil for a regular file that this account can read, and that is
// open to nobody else beyond its mode.
func (a account) usable(f config.File) error {
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
	case f.Mode != 0 && config.Mode(info.Mode().Perm())&^f.Mode != 0:
		return fmt.Errorf("%w: its mode is %04o, want at most %04o", errTooOpen, info.Mode().Perm(), f.Mode)
	}
	return a.ownedBy(f.Owner, info)
}

func (a account) ownedBy(owner string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("has an owner that cannot be determined")
	}
	uid := int(stat.Uid)
	if owner == "" {
		if uid == a.uid || uid == 0 {
			return nil
		}
		return fmt.Errorf("belongs to uid %d, want %s or root", uid, a.name)
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
