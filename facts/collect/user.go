package collect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/regularfile"
)

var userRow = collector{name: "user", limit: 2 * time.Second, fills: []string{"host", "user"}}

// account is the account whose manager is audited, and its machine.
type account struct {
	host facts.Host
	user facts.User
}

func collectUser(e Environment) (account, error) {
	linger, err := exists(filepath.Join(e.LingerDir, e.Name))
	if err != nil {
		return account{}, fmt.Errorf("look for the linger flag: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return account{}, fmt.Errorf("read the host name: %w", err)
	}
	open, err := openFolders(e)
	if err != nil {
		return account{}, fmt.Errorf("look for folders that others can write to: %w", err)
	}
	system, err := osName("/etc/os-release")
	if err != nil {
		return account{}, err
	}
	booted, err := bootTime("/proc/stat")
	if err != nil {
		return account{}, err
	}
	home, err := fileSystem(e.Home)
	if err != nil {
		return account{}, err
	}
	state, err := fileSystem(filepath.Join(e.StateHome, "stackpolicy"))
	return account{
		host: facts.Host{Name: host, OS: system, BootedAt: booted, PackagesAt: packagesAt(e.Root), HomeFS: home, StateFS: state},
		user: facts.User{
			UID: e.UID, Name: e.Name, Home: e.Home,
			UnitDir: e.UnitDir(), RuntimeDir: e.RuntimeDir, Linger: linger, OpenFolders: open,
		},
	}, err
}

func (a account) fill(doc *facts.Document) { doc.Host, doc.User = &a.host, &a.user }

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// packageLogs are written by each run of a package manager, or are its link to the system.
var packageLogs = []string{"/var/log/dpkg.log", "/var/log/pacman.log", "/var/log/dnf.rpm.log", "/var/log/dnf5.log", "/run/current-system"}

// packagesAt returns when packages were last changed, in whole seconds; nil if nothing says
// it. It is not important enough to be an error.
func packagesAt(root string) (newest *time.Time) {
	for _, path := range packageLogs {
		info, err := os.Lstat(filepath.Join("/", root, path))
		if err != nil {
			continue
		}
		if t := info.ModTime().UTC().Truncate(time.Second); newest == nil || t.After(*newest) {
			newest = &t
		}
	}
	return newest
}

// maxStat bounds what is read of /proc/stat, which has a line for each CPU and a long one of
// interrupts.
const maxStat = 1 << 20

// bootTime reads btime (proc_stat(5)); nil without it.
func bootTime(path string) (*time.Time, error) {
	f, err := regularfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read when the kernel started: %w", err)
	}
	defer f.Close()
	text, err := regularfile.ReadAll(f, maxStat)
	if err != nil {
		return nil, fmt.Errorf("read when the kernel started: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "btime "); ok {
			seconds, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("read when the kernel started: %w", err)
			}
			at := time.Unix(seconds, 0).UTC()
			return &at, nil
		}
	}
	return nil, nil
}

// maxRelease bounds what is read of os-release: it is some hundred bytes.
const maxRelease = 64 << 10

// osName reads PRETTY_NAME (os-release(5)).
func osName(path string) (string, error) {
	f, err := regularfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the name of the system: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxRelease))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"'`), nil
		}
	}
	return "", lines.Err()
}
