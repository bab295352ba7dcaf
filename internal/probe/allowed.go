package probe

import (
	"errors"
	"os"
	"slices"
	"syscall"
)

// ErrNotAllowed is the error of [Allowed].
var ErrNotAllowed = errors.New("this process may not open network sockets")

// Allowed returns an error if this process may not open sockets of these address families
// (AF_INET, AF_INET6), as in a unit with RestrictAddressFamilies=AF_UNIX (systemd.exec(5)).
// IPv6 on a kernel without it is allowed: then it is the host that cannot.
func Allowed(families ...int) error {
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		families = slices.DeleteFunc(families, func(f int) bool { return f == syscall.AF_INET6 })
	}
	for _, family := range families {
		fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if errors.Is(err, syscall.EAFNOSUPPORT) {
			return ErrNotAllowed
		}
		if err == nil {
			_ = syscall.Close(fd)
		}
	}
	return nil
}
